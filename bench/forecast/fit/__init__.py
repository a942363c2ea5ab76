"""What fits which card, before anything is paid.

models     MODEL, a hub id, a folder or a shape's name -> an architecture without weights
cards      common cards, or a size
settings   how it can be trained, and what each way holds and computes
answer     the largest batches, what makes it fit, the students that fit instead
page       the same for a reader
"""
