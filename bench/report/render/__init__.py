"""Renders sections as report.md and in the terminal."""
