"""Computes leaderboards, significance, Pareto fronts, budget curves and break-even prices from tables. Writes no text."""
