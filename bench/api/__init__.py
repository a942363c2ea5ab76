"""The Python API. `bench.plan`, `run`, `fit`, `read` and `compare` come from here, and the command line calls it too.

planning    a suite -> Plan: what its arms buy, cost and take
running     a suite -> its arms are run -> Results
arms        the run itself, for `running` and for `bench run`
fitting     a model -> Fit: which batches and settings fit a GPU
results     a results folder -> Results: tables, prices, recommendations, the answer
comparing   two results -> Changes: what changed from one to the other
answers     Answer, Recommendation and Leaderboard, which Results gives
trackers    arms -> runs of an experiment tracker
shown       how these objects show themselves: in a terminal, in Jupyter, as JSON
places      where results and the cache lie

docs/python.md shows them at work.
"""

from bench.system import home

home.provide_home()
