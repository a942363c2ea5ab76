"""`bench schema`: the JSON Schema of suites, for editors."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    import json

    from bench.suite import schema as suite_schema

    click.echo(json.dumps(suite_schema.schema(), indent=1, ensure_ascii=False))
