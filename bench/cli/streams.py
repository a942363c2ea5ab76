"""Standard output and standard error that never end a command.

A character that the terminal's encoding lacks is shown as `?`. Output that cannot be written is dropped: the reader of the pipe is
gone, the disk is full, or the terminal is closed. Results are in files, so a run goes on.
"""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Lenient(io.FileIO):
    """A raw stream that drops what it cannot write."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._lost = False

    def write(self, data: ReadableBuffer) -> int:
        try:
            while not self._lost:
                if (written := super().write(data)) is not None:
                    return written
                select.select((), (self,), ())  # another process has made the terminal non-blocking
        except OSError as error:
            self._lost = True
            if not isinstance(error, BrokenPipeError):  # the reader of a pipe, as in `bench plan ... | head`, may close it silently
                with suppress(OSError):
                    os.write(2, f"bench: output is lost from here on: {error.strerror}\n".encode())
        return memoryview(data).nbytes


def make_lenient() -> None:
    """Replace this process's standard output and standard error, unless something else, such as a test, has replaced them before."""
    sys.stdout, sys.stderr = _lenient(sys.stdout, sys.__stdout__), _lenient(sys.stderr, sys.__stderr__)


def _lenient(stream: TextIO, own: TextIO | None) -> TextIO:
    """Return the stream over a lenient one. An error handler other than Python's two defaults was chosen by the user and stays."""
    if stream is not own or not isinstance(stream, io.TextIOWrapper):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Lenient(stream.fileno())),
        encoding=stream.encoding,
        errors="replace" if stream.errors in ("strict", "surrogateescape") else stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,
    )
