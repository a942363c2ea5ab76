"""The shelf of metrics: each computes scores from predictions and references."""
