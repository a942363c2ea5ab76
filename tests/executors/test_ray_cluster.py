"""Arms on a real Ray cluster: several nodes on this machine, one of which dies. Run by `make test-ray`, which installs Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.contracts import AGAIN
from bench.errors import BenchError
from bench.execution.ledger import rows
from bench.execution.record import Record
from bench.executors.local import Local
from bench.executors.ray import Ray
from tests.ended import has_ended
from tests.execution.fake_worker import SUITE, bench, instead, records

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed; `make test-ray` installs it"),
    pytest.mark.filterwarnings("default"),  # Ray's own
]

MEASURED = ("s", "kWh")
"""Units whose quantity is another one each time."""

ARMS = 1000

NODE = "BENCH_TEST_NODE"
"""Environment variable in which each node has its number."""

WAITS = """
import os, pathlib, select, sys
name = sys.argv[1]
before = pathlib.Path(name)
if before.exists():
    try:
        os.kill(int(before.read_text().split()[0]), 0)
        sys.exit(9)
    except ProcessLookupError:
        pathlib.Path(name + ".again").touch()
part = pathlib.Path(name + ".part")
part.write_text(f"{os.getpid()} {os.environ['BENCH_TEST_NODE']}")
part.rename(before)
while not pathlib.Path("go").exists():
    if select.select([0], [], [], 0.01)[0]:
        sys.exit(8)
with open(name + ".done", "a") as done:
    done.write("done")
"""
"""Writes its process number and its node, and waits for a file. Ends with 9 where an earlier attempt is still alive."""


class Nodes:
    """A cluster on this machine."""

    def __init__(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self._nodes: dict[str, Any] = {}
        self._numbers = iter(range(1000))

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def set(self, count: int, **resources: float) -> None:
        """Have this many nodes, each with one CPU."""
        while len(self._nodes) > count:
            self.kill(next(iter(self._nodes)))
        while len(self._nodes) < count:
            number = str(next(self._numbers))
            self._nodes[number] = self._cluster.add_node(num_cpus=1, env_vars={NODE: number}, **resources)
        self._cluster.wait_for_nodes()

    def kill(self, number: str) -> None:
        self._cluster.remove_node(self._nodes.pop(number), allow_graceful=False)

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    nodes.stop()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "smoke" not in request.node.name:
        monkeypatch.chdir(tmp_path)


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def run(nodes: Nodes, commands: dict[str, Sequence[str]], **settings: object) -> dict[str, int]:
    """Name -> exit status."""
    ended: dict[str, int] = {}
    folder = Path.cwd() / "logs"
    Ray(address=nodes.address, **settings).run(commands, {name: folder / name / "worker.log" for name in commands}, ended.__setitem__)  # type: ignore[arg-type]
    return ended


def wait_for(*paths: str) -> None:
    while not all(Path(path).exists() for path in paths):
        time.sleep(0.01)


def arms_at_work() -> list[psutil.Process]:
    """The processes of arms, the youngest first."""
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        if "bench.execution.worker" in (process.info["cmdline"] or ()):
            found.append(process)
    return sorted(found, key=lambda process: -process.info["create_time"])


def ended(results: Path, record: Record) -> dict[str, Any]:
    """How an arm ended, and its rows, without what is measured anew each time."""
    ledger = [row for row in rows(results / record.arm) if row["row"] in ("charge", "score") and row.get("unit") not in MEASURED]
    return {"status": record.status, "reason": record.reason, "usd": record.spent_usd, "rows": ledger}


def test_a_node_that_dies_changes_no_score_and_no_charge_of_smoke(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local, ray, cache = tmp_path / "local", tmp_path / "ray", tmp_path / "cache"
    options = ["--cache", cache, "--device", "cpu"]
    assert bench("run", SUITE, "--results", local, *options).exit_code == 0
    nodes.set(3)
    killed: list[str] = []

    def kill_a_node(name: str, status: int) -> None:
        if not killed:
            while not (working := arms_at_work()):
                time.sleep(0.01)
            killed.append(working[0].environ()[NODE])
            nodes.kill(killed[0])

    def on_ray(commands: Any, logs: Any, report: Any) -> None:
        Ray(address=nodes.address).run(commands, logs, lambda name, status: (kill_a_node(name, status), report(name, status)))

    instead(monkeypatch, on_ray)
    done = bench("run", SUITE, "--results", ray, *options)
    assert done.exit_code == 0, done.output
    assert len(killed) == 1
    found = {name: ended(ray / "smoke", record) for name, record in records(ray / "smoke").items()}
    assert found == {name: ended(local / "smoke", record) for name, record in records(local / "smoke").items()}
    assert len(found) == 8
    logs = [(ray / "smoke" / name / "worker.log").read_text() for name in found]
    assert sum(log.count("attempt 1 was lost, started again") for log in logs) == 1


def test_what_a_dead_node_did_starts_again_on_another_one_and_no_two_processes_are_one_arm(nodes: Nodes) -> None:
    nodes.set(3)
    names = ["a", "b", "c"]

    def kill_a_node(name: str, status: int) -> None:
        statuses[name] = status
        if name == "short":
            wait_for(*names)
            pid, node = Path("b").read_text().split()
            nodes.kill(node)
            assert has_ended(int(pid))
            Path("go").touch()

    statuses: dict[str, int] = {}
    commands = {"short": python(""), **{name: python(WAITS, name) for name in names}}
    Ray(address=nodes.address).run(commands, {name: Path(f"{name}.log") for name in commands}, kill_a_node)
    assert statuses == dict.fromkeys(commands, 0)
    assert sorted(path.name for path in Path.cwd().glob("*.again")) == ["b.again"]
    assert {name: Path(f"{name}.done").read_text() for name in names} == dict.fromkeys(names, "done")
    assert Path("b.log").read_text().count("attempt 1 was lost, started again") == 1


def test_each_of_many_short_arms_runs_once(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    nodes.set(4)
    commands = {str(i): python(f"open('{Path.cwd()}/{i}.record', 'x').write('done')") for i in range(ARMS)}
    begun = time.perf_counter()
    assert run(nodes, commands) == dict.fromkeys(commands, 0)
    on_ray = 1000 * (time.perf_counter() - begun) / ARMS
    written = [*Path.cwd().glob("*.record")]
    assert len(written) == ARMS
    for path in written:
        path.unlink()
    begun = time.perf_counter()
    Local(workers=4).run(commands, {name: Path("logs") / name / "worker.log" for name in commands}, lambda *_: None)
    local = 1000 * (time.perf_counter() - begun) / ARMS
    with capsys.disabled():
        print(f"\n{ARMS} arms: {on_ray:.0f} ms an arm over 4 nodes; {local:.0f} ms with `local` and 4 workers")


def test_an_arm_sees_its_gpu_alone_and_one_that_asks_for_it_starts_again_after_the_others(nodes: Nodes) -> None:
    nodes.set(0)
    nodes.set(1, num_gpus=1)
    code = f"""
import os, pathlib, sys
with open("order", "a") as order:
    print(sys.argv[1], os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"], file=order)
seen = pathlib.Path("seen")
if sys.argv[1] == "postponed" and not seen.exists():
    seen.touch()
    sys.exit({AGAIN})
"""
    names = ["postponed", "a", "b"]
    assert run(nodes, {name: python(code, name) for name in names}, gpus_per_arm=1) == dict.fromkeys(names, 0)
    assert Path("order").read_text().splitlines() == ["postponed 0 1", "a 0 1", "b 0 1", "postponed 0 1"]
    nodes.set(0)


def test_where_the_work_is_broken_off_no_process_is_left(nodes: Nodes) -> None:
    nodes.set(2)

    def stop(name: str, status: int) -> None:
        wait_for("waits")
        raise KeyboardInterrupt

    commands = {"short": python(""), "waits": python(WAITS, "waits"), "later": python(WAITS, "later")}
    with pytest.raises(KeyboardInterrupt):
        Ray(address=nodes.address).run(commands, {name: Path(name + ".log") for name in commands}, stop)
    assert all(has_ended(int(path.read_text().split()[0])) for path in (Path("waits"), Path("later")) if path.exists())


def test_a_program_that_is_not_there_ends_the_run_with_one_line(nodes: Nodes) -> None:
    nodes.set(1)
    with pytest.raises(BenchError, match="/no/such/python") as refused:
        run(nodes, {"one": ["/no/such/python"]})
    assert "\n" not in str(refused.value)


def test_where_no_cluster_answers_one_line_says_so(tmp_path: Path) -> None:
    # its own process: Ray reads how often it tries when it is imported
    code = """
from pathlib import Path
from bench.errors import BenchError
from bench.executors.ray import Ray
try:
    Ray(address="127.0.0.1:1").run({"one": ["true"]}, {"one": Path("log")}, lambda *_: None)
except BenchError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "`ray start --head`" in said.stdout
    assert said.stdout.count("\n") == 1
