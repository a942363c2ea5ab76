"""Cost, time and memory of a suite, before anything is paid.

arm                  an arm -> what it will buy and cost, and every piece of work that it will have made
output_lengths       outputs -> how long they will be, by the labels at hand
calibrate            a recipe -> a few real steps of the same work, timed on this device
memory/              a recipe, or a training step of any model -> its peak memory
calibration_cache    timed steps and peaks that were found before; the others are found in fresh processes
device, gpus         this machine, or a GPU of the table: what a piece of work takes there
totals               sums over arms, with and without shared work
suite                all of this for one suite
saved                forecast.json beside the results, which the report compares with what was measured
terminal             the forecast as tables
fit/                 which settings of a model fit which GPU
"""
