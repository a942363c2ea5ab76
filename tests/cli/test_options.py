"""The help of every command, and the names of its options, old and new."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from bench.api import running
from bench.cli import COMMANDS, main
from bench.cli.options import Option

ORDER = [
    "init",
    "check",
    "plan",
    "run",
    "report",
    "recommend",
    "price",
    "compare",
    "leaderboard",
    "export",
    "fit",
    "schema",
    "import",
    "list",
    "prices",
    "models",
    "setup",
    "store",
]

ARGUMENTS = {
    "init": ["data.csv"],
    "plan": ["suite.yaml"],
    "recommend": ["results", "--budget-usd", "5"],
    "price": ["results"],
    "compare": ["a", "b"],
    "fit": ["t5:small"],
}

OLD = [
    ("init", "--source", "text", "--source-column"),
    ("init", "--target", "label", "--target-column"),
    ("init", "--budget", "3", "--budget-usd"),
    ("plan", "--card", "L4", "--gpu"),
    ("plan", "--cards", __file__, "--gpus"),
    ("plan", "--training", "0.5", "--train-utilization"),
    ("plan", "--generating", "0.5", "--decode-utilization"),
    ("plan", "--rehearse", None, "--calibrate"),
    ("plan", "--no-rehearse", None, "--no-calibrate"),
    ("plan", "--again", None, "--recalibrate"),
    ("fit", "--card", "16GB", "--gpu"),
    ("fit", "--cards", __file__, "--gpus"),
    ("fit", "--source", "100", "--source-tokens"),
    ("fit", "--target", "10", "--target-tokens"),
    ("fit", "--batch", "4", "--batch-size"),
    ("fit", "--lora", "8", "--lora-rank"),
    ("fit", "--kept-free", "0.1", "--fragmentation"),
    ("recommend", "--budget", "7", "--budget-usd"),
    ("price", "--requests", "1000", "--requests-per-month"),
    ("compare", "--out", "c.md", "--markdown"),
    *(
        (command, *names)
        for command in ("price", "recommend")
        for names in (
            ("--label", "0.2", "--label-usd"),
            ("--label", "names=0.2", "--label-usd"),
            ("--label-price", "0.2", "--label-usd"),
            ("--gpu-hour", "2", "--gpu-hour-usd"),
            ("--kwh", "0.3", "--kwh-usd"),
            ("--prompt-tokens", "1", "--prompt-usd-per-1m-tokens"),
            ("--output-tokens", "2", "--output-usd-per-1m-tokens"),
        )
    ),
]


def bench(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, list(arguments))


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and subcommand with its path."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield (name,), command
        if isinstance(command, click.Group):
            for inner, below in command.commands.items():
                yield (name, inner), below


PATHS = [path for path, _ in commands()]
PARAMETERS = [(path, one) for path, command in commands() for one in command.params]
OPTIONS = [(path, one) for path, one in PARAMETERS if isinstance(one, click.Option)]


def parsed(command: str, *arguments: str) -> dict[str, object]:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    return found.make_context(command, list(arguments)).params


def test_help_lists_all_commands_in_order_of_use_and_cuts_no_text() -> None:
    lines = bench("--help").stdout.split("Commands:\n")[1].rstrip().splitlines()
    assert [line.split()[0] for line in lines] == ORDER == [*COMMANDS]
    assert all(len(line) <= 80 and not line.endswith("...") for line in lines)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_names_no_range_as_a_type_and_fits_80_columns(path: tuple[str, ...]) -> None:
    result = bench(*path, "--help")
    assert result.exit_code == 0
    assert "RANGE" not in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


@pytest.mark.parametrize(("path", "option"), OPTIONS, ids=[" ".join((*path, one.opts[0])) for path, one in OPTIONS])
def test_every_option_has_a_short_help_text(path: tuple[str, ...], option: click.Option) -> None:
    assert option.help
    assert 1 <= len(option.help.split()) < 25


@pytest.mark.parametrize(("command", "old", "value", "new"), OLD)
def test_an_old_name_of_an_option_still_works(command: str, old: str, value: str | None, new: str) -> None:
    values = [] if value is None else [value]
    arguments = ARGUMENTS[command]
    given = parsed(command, *arguments, new, *values)
    assert parsed(command, *arguments, old, *values) == given
    if new != "--calibrate":  # which is the default
        assert given != parsed(command, *arguments)


def test_every_old_name_is_tried_here() -> None:
    renamed = [(path[0], option) for path, option in OPTIONS if isinstance(option, Option)]
    known = {
        (name, old)
        for name, option in renamed
        for old in {*option.accepted[0], *option.accepted[1]} - {*option.opts, *option.secondary_opts}
    }
    assert known == {(command, old) for command, old, *_ in OLD}


@pytest.mark.parametrize(("command", "old"), sorted({(command, old) for command, old, *_ in OLD}))
def test_help_does_not_show_an_old_name(command: str, old: str) -> None:
    assert not re.search(rf"{old}(?![\w-])", bench(command, "--help").stdout)


def test_an_error_names_the_option_as_it_is_called_now() -> None:
    result = bench("price", "results", "--gpu-hour", "-1")
    assert result.exit_code == 2
    assert "'--gpu-hour-usd'" in result.stderr
    assert "'--gpu-hour'" not in result.stderr


def test_an_unknown_option_or_command_names_the_nearest_of_today() -> None:
    option, command = bench("price", "results", "--gpu-hours"), bench("recomend", "results")
    assert option.exit_code == command.exit_code == 2
    assert "'--gpu-hour-usd'" in option.stderr
    assert "'--gpu-hour'" not in option.stderr
    assert "'recommend'" in command.stderr


def test_defaults_of_fit_are_those_of_the_forecast() -> None:
    from bench.forecast import gpus

    found = parsed("fit", "t5:small")
    assert found["context_gib"] * gpus.GIB == gpus.CONTEXT_BYTES
    assert found["fragmentation"] == gpus.KEPT_FREE


def test_help_of_price_lists_every_meter_and_what_it_counts() -> None:
    from bench.contracts import METERS

    text = " ".join(bench("price", "--help").stdout.split())
    assert [meter.name for meter in METERS.values() if f"{meter.name} ({meter.counts})" not in text] == []
    result = bench("price", "results", "--meter", "steps")
    assert result.exit_code == 2
    assert [name for name in METERS if f"'{name}'" not in result.stderr] == []


def test_the_interval_of_checkpoints_is_the_same_in_python_and_on_the_command_line() -> None:
    (option,) = [one for path, one in OPTIONS if (path, one.name) == (("run",), "checkpoint_minutes")]
    default = inspect.signature(running.run).parameters["checkpoint_minutes"].default
    assert (parsed("run", "suite.yaml")["checkpoint_minutes"], float(str(option.show_default))) == (default, default)


HEAVY = ("torch", "transformers", "pandas", "pydantic", "matplotlib", "rich", "numpy", "pyarrow")


@pytest.mark.parametrize("command", [[], ["fit"], ["price"], ["run"]], ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    heavy = [name for name in HEAVY if name != "pydantic" or command != ["price"]]  # its help lists the meters
    loaded = f"print([name for name in {heavy} if name in sys.modules])"
    code = f"import sys; from bench.cli import main; main({[*command, '--help']}, standalone_mode=False); {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
