"""`bench schema`: the JSON Schema of suites, for editors."""

from __future__ import annotations

import click

from bench.cli import output


@click.command()
@output.options
def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    import json

    from bench.suite import schema as suite_schema

    found = suite_schema.schema()
    output.show(lambda: found, lambda _: ())
    if not output.current().as_json:
        click.echo(json.dumps(found, indent=1))
