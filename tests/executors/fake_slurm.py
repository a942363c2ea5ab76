"""Stand-ins for SLURM's commands that run the tasks of arrays as processes on this machine, at once and all together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

SBATCH = """#!/bin/sh
[ -e STATE/refuse ] && { cat STATE/refuse >&2; exit 1; }
echo "$*" >> STATE/calls
for word; do case "$word" in
    --job-name=*) name=${word#*=} ;;
    --array=*) array=${word#*=} ;;
    --output=*) output=${word#*=} ;;
    -*) ;;
    *) script=$word ;;
esac; done
job=$((100 + $(wc -l < STATE/calls)))
last=${array%%\\%*}
for index in $(seq 0 "${last#0-}"); do
    task="STATE/queue/$name,$index,${job}_$index"
    : > "$task"
    SLURM_ARRAY_TASK_ID=$index setsid sh -c 'bash "$1" >> "$2" 2>&1; rm -f "$3"' - "$script" "${output%\\%a*}$index.log" "$task" \\
        < /dev/null > /dev/null 2>&1 &
    echo $! > "STATE/pids/${job}_$index"
done
echo "$job"
"""

EACH = """#!/bin/sh
[ -e STATE/silent ] && { echo "error: no controller" >&2; exit 1; }
for task in STATE/queue/*; do
    base=${task##*/} rest=${task#*,}
    name=${base%%,*} index=${rest%%,*} id=${rest#*,}
"""

SQUEUE = f"""{EACH}
    for word; do case "$word" in --name=*) case ",${{word#--name=}}," in *",$name,"*) echo "$name $index $id" ;; esac ;; esac; done
done
"""

SCANCEL = f"""{EACH}
    for word; do if [ "$word" = "--name=$name" ] || [ "$word" = "$id" ]; then
        echo CANCELLED > "STATE/states/$id"
        kill -TERM "-$(cat "STATE/pids/$id")"
        rm -f "$task"
    fi; done
done
"""

SCONTROL = """#!/bin/sh
for id; do :; done
echo "JobId=1 ArrayJobId=$id JobState=$(cat "STATE/states/$id") Reason=None"
"""


@dataclass(frozen=True)
class FakeSlurm:
    """The state of the stand-ins, as files in a folder."""

    folder: Path

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the commands first on PATH."""
        for name in ("queue", "pids", "states", "bin"):
            (self.folder / name).mkdir(parents=True)
        for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "scontrol": SCONTROL}.items():
            path = self.folder / "bin" / name
            path.write_text(text.replace("STATE", str(self.folder)))
            path.chmod(0o755)
        patch.setenv("PATH", f"{self.folder / 'bin'}:{os.environ['PATH']}")

    @property
    def calls(self) -> list[list[str]]:
        """Arguments of each call of sbatch."""
        path = self.folder / "calls"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def queue(self) -> list[str]:
        """Tasks that run."""
        return sorted(path.name for path in (self.folder / "queue").iterdir())

    def refuse(self, message: str) -> None:
        """Have sbatch refuse everything."""
        (self.folder / "refuse").write_text(message)

    def ends_as(self, state: str, *ids: str) -> None:
        """Have scontrol say how tasks ended."""
        for one in ids:
            (self.folder / "states" / one).write_text(state)
