"""The shelf of tasks: documents, their labels, and the trivial rules that any model has to beat."""
