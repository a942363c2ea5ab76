"""Tables -> leaderboards, significance, Pareto fronts, budget curves, break-even prices. Writes no text."""
