"""What a suite will buy, cost and take, before anything is paid.

arms         an arm -> what it will buy and cost, and every piece of work that it will have made
lengths      outputs -> how long they will be, by the labels at hand
rehearsal    a recipe -> a few real steps of the same work, timed: its pace on this device
peaks        a recipe -> the most memory that it will hold
remembered   paces and peaks, kept in the cache; those that are not there are found in fresh processes
device       this device, or a card of the table: what a piece of work takes there
totals       of arms, with and without shared work
written      forecast.json: kept beside the results, for the report to hold against what was measured
"""
