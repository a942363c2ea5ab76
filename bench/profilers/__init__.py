"""Instruments, one per file: each measures a window of work and returns readings with unit and source."""
