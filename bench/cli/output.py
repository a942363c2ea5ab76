"""What a command prints: text for people, or one JSON document for other programs.

With --json, one document goes to standard output when the command ends, and everything else goes to standard error:

    {"schema": 1, "command": "plan", "status": 0, "result": {...}, "error": null}

`status` is the exit status. `error` is null or {"message": "..."}, with a line for each fault. docs/scripts.md explains the results.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import Command, option
from bench.system.one_line import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SCHEMA = 1
"""Version of the document. It grows when a field changes its meaning or goes away; a new field leaves it."""
JSON = "--json"
WIDTH_OF_A_FILE = 150
"""Columns of output that goes to a file."""


@dataclass
class Output:
    """How the command at work prints, and what it has to say when it ends."""

    as_json: bool = False
    quiet: bool = False
    result: Mapping[str, Any] | None = None

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Send what the block prints to standard error, with --json."""
        if not self.as_json:
            yield
            return
        with redirect_stdout(sys.stderr):
            yield

    def end(self, command: str | None, status: int, error: str = "") -> None:
        """Print the error, and with --json the document."""
        if error:
            click.echo(printable(error, kept="\n"), err=True)
        if self.as_json:
            from bench.api.shown import plain

            failed = {"message": error} if error else None
            document = {"schema": SCHEMA, "command": command, "status": status, "result": self.result, "error": failed}
            click.echo(json.dumps(plain(document), indent=1, allow_nan=False))


def current() -> Output:
    """Return the output of the command at work."""
    context = click.get_current_context(silent=True)
    return (context and context.find_object(Output)) or Output()


def console(quiet: bool | None = None) -> Console:
    """Return a console as wide as the terminal, or wide enough for the tables where output goes to a file.

    quiet: whether it prints nothing; None: as --quiet says.
    """
    from rich.console import Console
    from rich.text import Text

    class Screen(Console):
        """A console on which no text can move the cursor. Names, reasons and answers of endpoints may hold anything."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text, kept="\n\t"), **options)

    quiet = current().quiet if quiet is None else quiet
    found = Screen(file=sys.stdout, highlight=False, markup=False, quiet=quiet)  # rich asks the file for its encoding, to draw lines in it
    return found if found.is_terminal else Screen(file=sys.stdout, width=WIDTH_OF_A_FILE, highlight=False, markup=False, quiet=quiet)


def show(document: Callable[[], Mapping[str, Any]], blocks: Callable[[int], Iterable[RenderableType]]) -> None:
    """Print the result of a command. `blocks` gets the width of the terminal in columns. With --json, keep the document for the end."""
    output = current()
    if output.as_json:
        output.result = document()
        return
    screen = console(quiet=False)
    for block in blocks(screen.width):
        screen.print(block)


def options(command: Command) -> Command:
    """Add --json and --quiet to a command."""

    def be_quiet(context: click.Context, _: click.Parameter, quiet: bool) -> None:
        context.ensure_object(Output).quiet = quiet

    flag = functools.partial(option, is_flag=True, expose_value=False)
    # `--json` is read by the group of commands, so that errors of usage are JSON too
    command = flag("--quiet", callback=be_quiet, help="Show the result alone, without progress and notes.")(command)
    return flag(JSON, help="Print one JSON document; progress and notes go to standard error.")(command)
