"""Forecasts the cost, time and memory of a suite, before anything is paid.

arm                  an arm -> what it will buy and cost, and all of its work
output_lengths       expected lengths of outputs, from the labels at hand
calibrate            a recipe -> a few measured steps of the same work on this device
start_up             how long the process of an arm takes before its strategy starts
memory/              a recipe, or a training step of any model -> its peak memory
gpu_sharing          how much GPU memory the process of each arm takes
calibration_cache    calibrations and peaks that are cached; the others are measured in fresh processes
device, gpus         what a piece of work takes on this machine, or on a GPU of the table
totals               sums over arms, with shared work counted once or each time
suite                all of this for one suite
saved                forecast.json beside the results, which the report compares with measurements
terminal             the forecast as tables
fit/                 which settings of a model fit which GPU
"""
