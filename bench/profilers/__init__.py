"""Instruments, one a file: each sees a window of work and hands back readings with unit and source."""
