"""Sections of a report, made from the analysis."""
