"""Plots drawn from the analysis."""
