"""Sections -> report.md and the terminal."""
