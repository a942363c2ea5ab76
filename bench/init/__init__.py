"""`bench init DATA`: look at one's own file, and write a suite that runs.

reading      the file -> columns of text; what stands in the way of reading it
encodings    bytes that are not UTF-8: where, and what reads them
columns      which column is the document and which the label, and why
model        the large model: what a suite calls it, and what of it is at hand
lengths      words and tokens by percentile; what is cut off
look         the figures: rows, labels, duplicates, classes, lengths, splits
spending     labels to own and to buy, budgets, label shares; what the whole suite has to compute
methods      layers kept, training and decoding, by family
figures      what was seen, in sentences
settings     the figures -> all that the suite says
scalars      text of other people -> one line of YAML or of a comment, which means the same and does nothing else
writing      the suite, with a comment on every choice
asking       the few questions, where there is somebody to ask
session      all of it in order
"""
