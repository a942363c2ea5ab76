"""What fits which card, before anything is paid.

options     settings of a training, and what each computes
search      a query -> the largest batches, what makes a batch fit, the students that fit instead
terminal    the answer as tables
"""
