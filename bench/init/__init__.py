"""`bench init DATA`: looks at a data file, and writes a suite over it that runs.

session       all of it in order
read_file     the file -> columns of text, and the settings with which the task `files` reads it
guess         these settings, guessed from the bytes
encodings     bytes that are not UTF-8: where, and what reads them
column_names  names that columns usually have
columns       which column is the document and which the label, and why
large_model   the large model: what a suite calls it, and what of it is at hand
lengths       words and tokens by percentile; what is cut off
profile       the figures: rows, labels, duplicates, classes, lengths
profile_text  the figures in sentences
budgets       labels to own and to buy, budgets, label shares; what the whole suite has to compute
defaults      layers kept, training and decoding, by family
choose        the figures -> all that the suite says
prompts       the few questions, where there is somebody to ask
yaml_text     text of other people -> one line of YAML or of a comment, which means the same and does nothing else
write_suite   the suite, with a comment on every choice
"""
