"""`--json` and `--quiet` on every command: one document on standard output, and the exit status in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner, Result

from bench import registry
from bench.cli import COMMANDS, main
from bench.suite import schema
from tests.execution.fake_worker import SUITE, FakeWorker, Killed, instead
from tests.report import study
from tests.report.arms import write_arm, write_suite

pytestmark = pytest.mark.usefixtures("empty_plots")


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def document(result: Result, status: int = 0) -> dict[str, Any]:
    """The one document on standard output."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    assert [*found] == ["schema", "command", "status", "result", "error"], result.output
    assert found["schema"] == 1
    assert found["status"] == result.exit_code == status, result.output
    return found


def leaves(command: click.Command) -> Iterator[click.Command]:
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from leaves(inner)
    else:
        yield command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    study.write(root)
    return root


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_both_options(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for leaf in leaves(command):
        names = {name for parameter in leaf.params for name in parameter.opts}
        assert {"--json", "--quiet"} <= names, leaf.name


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (("check", SUITE), {"suites"}),
        (("list",), {"parts"}),
        (("list", "distill"), {"parts"}),
        (("import", "published"), {"works"}),
        (("schema",), {"properties", "$defs"}),
        (("recommend", "FOLDER", "--budget-usd", 40), {"tasks", "budget_usd", "notes"}),
        (("recommend", "FOLDER", "--target", 30), {"tasks", "target", "notes"}),
        (("recommend", "FOLDER", "--target", 30, "--serving"), {"tasks", "target", "notes"}),
        (("price", "FOLDER", "--label-usd", 0.1), {"answer", "leaderboard", "report", "prices"}),
        (("report", "FOLDER"), {"answer", "leaderboard", "report", "arms"}),
        (("compare", "FOLDER", "FOLDER"), {"changes", "turns", "one_sided", "got_worse"}),
        (("leaderboard", "FOLDER"), {"settings", "notes", "left_out"}),
        (("store", "ls", "FOLDER"), {"artifacts", "bytes", "unneeded_bytes"}),
        (("store", "verify", "FOLDER"), {"intact", "damaged", "without_checksums"}),
        (("store", "gc", "FOLDER"), {"freed_bytes", "removed"}),
    ],
    ids=lambda one: " ".join(map(str, one[:2])) if isinstance(one, tuple) else "",
)
def test_a_result_is_one_document(command: tuple[str, ...], keys: set[str], folder: Path) -> None:
    given = [folder if word == "FOLDER" else word for word in command]
    found = document(bench(*given, "--json"))
    assert found["command"] == command[0]
    assert keys <= set(found["result"])
    assert found["error"] is None


def test_figures_are_those_of_the_api(folder: Path) -> None:
    import bench as api
    from bench.api.shown import plain

    known = api.read(folder).price(0.2)
    found = document(bench("recommend", folder, "--budget-usd", 100, "--label-usd", 0.2, "--json"))["result"]
    assert found == {**plain(known.recommend(100).document()), "notes": []}
    found = document(bench("leaderboard", folder, "--json"))["result"]["settings"]
    assert len(found) == len(api.read(folder).leaderboard().table)
    assert document(bench("schema", "--json"))["result"] == json.loads(bench("schema").stdout) == schema.schema()
    listed = document(bench("list", "--json"))["result"]["parts"]
    assert [(one["shelf"], one["name"]) for one in listed] == [(s, n) for s in registry.SHELVES for n in registry.names(s)]


def test_a_plan_that_is_refused_has_a_result_and_an_error(tmp_path: Path) -> None:
    given = ("plan", SUITE, "--cache", tmp_path, "--results", tmp_path, "--no-calibrate", "--device", "cpu", "--max-usd", 2, "--json")
    found = document(bench(*given), 2)
    assert "--max-usd 2" in found["error"]["message"]
    assert found["result"]["totals"]["at_most_usd"] > 2
    assert {arm["seconds"] for arm in found["result"]["arms"]} == {None}


def test_progress_goes_to_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, FakeWorker(lambda arm, results: Killed(-9)).run)
    given = ("run", SUITE, "--cache", tmp_path / "cache", "--results", tmp_path, "--device", "cpu", "--json")
    result = bench(*given)
    found = document(result, 1)["result"]
    assert {one["status"] for one in found["records"]} == {"failed"}
    assert found["arms"] == {"failed": len(found["records"])}
    assert all(f"{one['arm']}: failed" in result.stderr for one in found["records"])
    again = bench(*given, "--quiet")
    assert document(again, 1)["result"]["records"] == found["records"]
    assert again.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "none.yaml"),
        ("fly",),
        ("store", "gc"),
        ("plan", SUITE, "--fast"),
        ("recommend", "results"),
        ("price", "none"),
        ("list", "distil"),
    ],
    ids=" ".join,
)
def test_an_error_is_a_document_too(arguments: tuple[str, ...]) -> None:
    result = bench(*arguments, "--json")
    found = document(result, 2)
    assert found["result"] is None
    assert found["error"]["message"] == result.stderr.rstrip("\n") == bench(*arguments).stderr.rstrip("\n")


def test_missing_numbers_are_null(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    write_arm(tmp_path, "a", {"student": {"rouge2": [1.0]}})
    (row,) = document(bench("leaderboard", tmp_path, "--json"))["result"]["settings"]
    assert row["mean"] == 1.0
    assert row["low"] is row["behind_mean"] is None


def test_quiet_shows_the_result_alone(folder: Path) -> None:
    loud, quiet = bench("price", folder, "--kwh-usd", 0.3), bench("price", folder, "--kwh-usd", 0.3, "--quiet")
    assert "note: " in loud.stdout
    assert not [word for word in ("note: ", "re-pricing", "report: ") if word in quiet.stdout]
    assert set(quiet.stdout.splitlines()) < set(loud.stdout.splitlines())
    assert "annotate" in quiet.stdout


def test_a_suite_is_written_without_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"the cat number {i} sat on the mat and the dog number {i} ran,cat {i}" for i in range(60)]
    Path("mine.csv").write_text("\n".join(["text,title", *rows]))
    monkeypatch.setattr("bench.cli.init._has_terminal", lambda: True)
    found = document(bench("init", "mine.csv", "--model", "random", "--cache", tmp_path / "cache", "--json"))["result"]
    assert (found["suite"], found["schema"]) == ("mine.yaml", schema.FILE)
    assert Path("mine.yaml").read_text(encoding="utf-8").splitlines()[0] == schema.COMMENT
    assert json.loads(Path(schema.FILE).read_text(encoding="utf-8")) == schema.schema()
    (checked,) = document(bench("check", "mine.yaml", "--json"))["result"]["suites"]
    assert checked["arms"] == found["arms"]


def test_the_shell_completes_commands_and_options() -> None:
    complete = BashComplete(main, {}, "bench", "_BENCH_COMPLETE")
    assert [item.value for item in complete.get_completions([], "pl")] == ["plan"]
    assert [item.value for item in complete.get_completions(["plan"], "--js")] == ["--json"]
