"""The shelf of tasks: documents, their labels, and baselines that a model has to beat."""
