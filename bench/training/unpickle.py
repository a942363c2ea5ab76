"""Turns pickled weights into safetensors, in a process that does nothing else: `python -m bench.training.unpickle OUT FILE...`.

Python code in the process uses no network, starts no process and writes no file but OUT. Native code is held by the kernel alone: it has no
network where the kernel permits a network namespace, and no file that it writes is much larger than the weights. The process prints one
JSON object: `aliases`, other name -> name in OUT of the same tensor, and `network`, whether native code has one; or `error`. The caller
reads this text and OUT, so a hostile file that takes over this process can send it no object.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.system.one_line import shown

if TYPE_CHECKING:
    import torch

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
"""Flags of unshare(2): a new user namespace, which a user without rights needs, and a new network namespace, which has no devices."""

REFUSED = ("socket.", "subprocess.", "os.", "pty.", "shutil.", "ctypes.", "pickle.")
"""Beginnings of the audit events that reading weights never raises. `pickle.` is full unpickling."""

ALLOWED = ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv")
"""Events that imports raise."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


SLACK = 1 << 20
"""Bytes that a file written by this process may have beyond twice the size of the pickled files."""


class Refused(Exception):
    """A file that is not converted, and why."""


def read(files: list[Path]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return (name -> tensor in memory of its own, other name -> name of the same tensor). Raises Refused."""
    tensors, aliases, places = dict[str, "torch.Tensor"](), dict[str, str](), dict[Any, str]()
    for file in files:
        for name, tensor in _unpickled(file).items():
            if name in tensors or name in aliases:
                raise Refused(f"{file.name} holds {shown(name, 80)}, which another shard holds too")
            place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
            if tensor.numel() and place in places:
                aliases[name] = places[place]
            else:
                tensors[name] = tensor
                places[place] = name
    stored, available = (sum(sizes) for sizes in ([t.nbytes for t in tensors.values()], [file.stat().st_size for file in files]))
    if stored > available:  # views that overlap
        raise Refused(f"{files[0].name} holds tensors of {stored} bytes, more than the {available} of the file")
    return {name: _in_memory_of_its_own(tensor) for name, tensor in tensors.items()}, aliases


def _in_memory_of_its_own(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor, or a copy where it is a part of a larger storage or not in the order of its indices."""
    alone = tensor.is_contiguous() and tensor.nbytes == tensor.untyped_storage().nbytes()
    return tensor if alone else tensor.contiguous().clone()


def _unpickled(file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of one file. No class and no function beside those of plain tensors is looked up."""
    import re

    import torch

    _check_stored(file)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file may raise anything
        text = " ".join(str(error).split())
        named = re.search(r"GLOBAL (\S+)", text)
        because = f"it names {shown(named[1], 80)}" if named else f"{type(error).__name__}: {shown(text, 200)}"
        raise Refused(f"{file.name} is damaged, or needs full unpickling, which can run code ({because})") from None
    if not isinstance(found, Mapping) or not found:
        raise Refused(f"{file.name} holds a {type(found).__name__}, expected a mapping from names to tensors")
    for name, tensor in found.items():
        if not isinstance(name, str) or type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            raise Refused(f"{file.name} holds {type(tensor).__name__} under {shown(str(name), 80)}, expected tensors under their names")
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise Refused(f"{file.name} holds {shown(name, 80)}, a sparse, quantised or empty tensor, expected ordinary numbers")
        if tensor.nbytes > tensor.untyped_storage().nbytes():  # a few numbers that stand for many
            raise Refused(f"{file.name} holds {shown(name, 80)} of shape {tuple(tensor.shape)}, which is not stored in full")
    return {name: tensor.detach() for name, tensor in found.items()}


def _check_stored(file: Path) -> None:
    """Raise Refused where a zip file is compressed: a small one can fill the memory. torch compresses nothing."""
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            compressed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (OSError, ValueError, zipfile.BadZipFile):  # it is damaged, which torch reports
        return
    if compressed:
        raise Refused(f"{file.name} is compressed ({shown(compressed[0], 80)}), which torch does not write")


def leave_network() -> bool:
    """Move this process into a network namespace without devices. Return whether the kernel permits it. Call it before torch starts
    threads."""
    import ctypes

    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is None:
        return False
    return bool(unshare(CLONE_NEWNET) == 0 or unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def refuse_side_effects() -> None:
    """Make sockets, processes, written files and full unpickling errors in this process from now on. Python cannot undo it."""

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if writes or (event.startswith(REFUSED) and event not in ALLOWED):
            raise PermissionError(f"{event} is refused while weights are read")

    sys.addaudithook(check)


def main() -> None:
    """Convert the files that the command line names."""
    network = not leave_network()  # before torch starts threads
    out, *files = map(Path, sys.argv[1:])
    most_bytes = 2 * sum(file.stat().st_size for file in files) + SLACK
    for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, most_bytes)):
        resource.setrlimit(limit, (most, most))
    import torch  # noqa: F401 - what the hook refuses is imported before
    from safetensors.torch import save_file

    refuse_side_effects()
    try:
        tensors, aliases = read(files)
        save_file(tensors, out, metadata={"format": "pt"})  # is written by Rust, which raises no audit event
    except Refused as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"aliases": aliases, "network": network}))


if __name__ == "__main__":
    main()
