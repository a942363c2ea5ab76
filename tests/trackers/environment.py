"""The environment of the trackers, and a process that can reach this machine alone.

BENCH_TRACKERS names the environment. Its packages come last on the path, so those of .venv are used where both have one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRACKERS = Path(os.environ.get("BENCH_TRACKERS") or ROOT / ".venv-trackers")
PACKAGES = [str(path) for path in TRACKERS.glob("lib/python*/site-packages")]
sys.path += PACKAGES

GUARDED = """
import ipaddress, socket, sys

sys.path += {packages!r}
hosts, connect, look_up = [], socket.socket.connect, socket.getaddrinfo

def refuse_if_away(host):
    host = host.decode() if isinstance(host, bytes) else host
    try:
        away = not ipaddress.ip_address(host).is_loopback
    except ValueError:
        away = host not in ("localhost", "", None)
    if away:
        hosts.append(host)
        raise OSError(f"no way to {{host}}")

def connect_here(self, address):
    if isinstance(address, tuple):
        refuse_if_away(address[0])
    connect(self, address)

def look_up_here(host, *arguments, **settings):
    refuse_if_away(host)
    return look_up(host, *arguments, **settings)

socket.socket.connect, socket.getaddrinfo = connect_here, look_up_here
from bench.cli import main
try:
    main({arguments!r})
except SystemExit as ended:
    status = ended.code or 0
import time
time.sleep(2)  # a thread may call home later
print("hosts", status, hosts, file=sys.stderr)
"""
"""A command of bench in a process that can reach this machine alone. It writes its exit status, and the other hosts that it asked for."""


def hosts_asked_for(*arguments: str, **environment: str) -> str:
    """Run a command of bench in the environment of a user who is in no test and no CI. Return what GUARDED wrote last."""
    ours = ("MLFLOW_", "TRACKIO_", "HF_", "PYTEST_", "CI", "GITHUB_", "DO_NOT_TRACK")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    code = GUARDED.format(packages=PACKAGES, arguments=list(arguments))
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env={**kept, **environment})
    return ran.stderr.strip().splitlines()[-1]
