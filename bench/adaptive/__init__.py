"""Runs a suite until it is decided: run, read, decide, next arms.

levels.py    significance levels of single looks, which keep the error of all looks together
decide.py    what the scores of one task and budget decide, look by look
limits.py    whether the seeds, the hours and the dollars allow another look
looks.py     the looks that were made, and the arms of each
loop.py      one look after the other, until all is decided or a limit is reached
"""
