"""Finds which settings of a model fit which GPU, before anything is paid.

options     settings of a training, and their FLOPs
search      a query -> the largest batches, changes that make a batch fit, and students that fit instead
arms        the training of a suite that does not fit its GPU -> the same answer
terminal    the answer as tables
"""
