"""`bench init DATA` looks at a data file, and writes a suite for it that runs.

session       all steps in order
read_file     the file -> columns of text, and settings of the task `files` that read it
guess         these settings, guessed from the bytes
encodings     bytes that are not UTF-8: position, and an encoding that reads them
column_names  usual names of columns
columns       which column is the document and which the label, and why
large_model   the large model: its name in a suite, and which of its files are on this machine
lengths       words and tokens by percentile, and how many texts a limit cuts
profile       the figures: rows, labels, duplicates, classes, lengths
profile_text  the figures in sentences
budgets       starting labels, labels to buy, budgets, label shares, and FLOPs of the whole suite
defaults      layers kept, training and decoding, by family
choose        the figures -> all settings of the suite
prompts       the few questions on the terminal
yaml_text     untrusted text -> one harmless line of YAML or of a comment
write_suite   the suite, with a comment on every choice
"""
