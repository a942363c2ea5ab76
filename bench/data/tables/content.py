"""Reads the bytes of a file, and recognises content that differs from the file's suffix."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bench.data.tables.settings import SUFFIXES, Format
from bench.errors import DataError
from bench.system.files import OpenFile
from bench.system.shipped import located

_BINARY: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x1f\x8b", "gzip-compressed bytes", "rename it to {file}.gz, or unpack it with gunzip"),
    (rb"BZh[1-9]1AY&SY", "bzip2-compressed bytes", "unpack it with bunzip2"),
    (rb"\xfd7zXZ\x00", "xz-compressed bytes", "unpack it with unxz"),
    (rb"\x28\xb5\x2f\xfd", "zstd-compressed bytes", "unpack it with zstd -d"),
    (rb"\x04\x22\x4d\x18", "lz4-compressed bytes", "unpack it with lz4 -d"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with 7z x"),
    (rb"Rar!\x1a\x07", "a rar archive", "unpack it with unrar x"),
    (rb"(?s).{257}ustar", "a tar archive", "unpack it with tar -xf, and name one file"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (xls)", "save the sheet as CSV, in UTF-8"),
    (rb"FEA1\x00", "Feather of version 1", "write it again as Parquet"),
    (rb"SQLite format 3\x00", "a SQLite database", 'export the table: sqlite3 -header -csv {file} "select ..." > train.csv'),
    (rb"\x80[\x02-\x05]", "a Python pickle, which is never loaded as it can run code", "where you trust it, write it again as Parquet"),
    (rb"\x93NUMPY", "a NumPy array", "write it again as CSV or Parquet"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", "write the table again as CSV or Parquet"),
    (rb"Obj\x01", "an Avro file", "write it again as Parquet"),
    (rb"ORC[\x00-\x1f\x80-\xff]", "an ORC file", "write it again as Parquet"),
    (rb"%PDF-", "a PDF document", "export its text as CSV or JSON lines"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file with git lfs pull"),
    (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html)", "a web page", "download the file itself, not the page that shows it"),
    (rb"(\xef\xbb\xbf)?\s*<\?xml", "XML", "write the rows again as CSV or JSON lines"),
)
"""(pattern at the start of the bytes, what the file is, what to do)."""

HEAD = 512
"""Bytes by which a file is recognised."""

_SAVE_SHEET = "save the sheet as CSV, in UTF-8"
_READABLE: tuple[tuple[bytes, Format], ...] = ((b"PAR1", "parquet"), (b"ARROW1\0\0", "arrow"), (b"\xff\xff\xff\xff", "arrow"))


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """The bytes of a file, which are read from the disk each time. `.gz` is unpacked once, into a temporary file."""

    path: Path
    head: bytes
    """The first bytes."""
    unpacked: OpenFile | None = None
    """The temporary file at `path`, which is removed when it is closed."""

    def binary(self) -> BinaryIO:
        """Return a new stream at the start."""
        return self.path.open("rb")

    def read(self) -> bytes:
        """Return all bytes."""
        return self.path.read_bytes()

    def ends_with(self, end: bytes) -> bool:
        """Return whether the file ends with these bytes."""
        with self.binary() as stream:
            stream.seek(max(0, stream.seek(0, io.SEEK_END) - len(end)))
            return stream.read() == end


def load(file: str) -> RawFile:
    """Find a file, and refuse what is no table. `~` is the home folder. Raises DataError."""
    path = located(file)
    try:
        if path.is_dir():
            raise DataError(f"{file}: {_folder(path)}")
        raw = _opened(path)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file (relative paths start at {Path.cwd()})") from None
    except (OSError, EOFError, ValueError, zlib.error) as e:
        raise DataError(f"{file}: cannot be read: {getattr(e, 'strerror', None) or e}") from e
    if not raw.head.strip():
        with raw.binary() as stream:
            if not any(map(bytes.strip, stream)):
                raise DataError(f"{file}: the file is empty")
    other = next(((what, remedy) for pattern, what, remedy in _BINARY if re.match(pattern, raw.head)), None)
    if other is None and raw.head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        other = _zip(raw.path)
    if other:
        raise DataError(f"{file}: holds {other[0]}; {other[1].format(file=file)}")
    return raw


def _opened(path: Path) -> RawFile:
    unpacked = None
    if path.suffix.lower() == ".gz":
        unpacked = OpenFile(tempfile.NamedTemporaryFile())  # noqa: SIM115 - see OpenFile
        with gzip.open(path, "rb") as packed:
            shutil.copyfileobj(packed, unpacked.file)
        unpacked.file.flush()
        path = Path(unpacked.file.name)
    with path.open("rb") as stream:
        return RawFile(path=path, head=stream.read(HEAD), unpacked=unpacked)


def suffix_of(file: str) -> str:
    """Return the suffix in lower case, without `.gz`."""
    return Path(re.sub(r"(?i)\.gz$", "", file)).suffix.lower()


def binary_format(raw: RawFile) -> Format | None:
    """Return 'parquet' or 'arrow' where the bytes have that signature."""
    return next((name for magic, name in _READABLE if raw.head.startswith(magic) and (name == "arrow" or raw.ends_with(magic))), None)


def format_of(file: str, raw: RawFile, given: Format | None) -> Format:
    """Return the requested format, or else the format of the suffix. Raises DataError where the bytes have another one."""
    found = binary_format(raw)
    suffix = suffix_of(file)
    if given is None and suffix not in SUFFIXES:
        remedy = f"rename the file, or set `format`{f' to {found}' if found else ''} in the task"
        raise DataError(f"{file}: the suffix '{suffix}' is not one of {', '.join(SUFFIXES)}; {remedy}")
    taken = given or SUFFIXES[suffix]
    if found and found != taken:
        raise DataError(f"{file}: holds {found.capitalize()}, not {taken.upper()}; set `format` to {found}, or give it that suffix")
    return taken


def _zip(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            kind = archive.read("mimetype") if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return "a damaged zip archive", "download or pack it again"
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook (xlsx)", _SAVE_SHEET
    if b"opendocument.spreadsheet" in kind:
        return "an OpenDocument spreadsheet (ods)", _SAVE_SHEET
    shown = ", ".join(ascii(name)[1:-1] for name in names[:3])
    return f"a zip archive of {len(names):,} files ({shown}{', ...' if len(names) > 3 else ''})", "unpack it with unzip, and name one file"


def _folder(path: Path) -> str:
    """Describe a folder that was given instead of a file, and what to do."""
    names = sorted(entry.name for entry in path.iterdir())
    parts = [name for name in names if name.startswith("part-")]
    if parts or "_SUCCESS" in names:
        ended = "" if "_SUCCESS" in names else ", and it did not finish: there is no _SUCCESS"
        remedy = "join them into one file (JSON lines: cat FOLDER/part-* > train.jsonl; CSV: keep one header line)"
        return f"is a folder that Spark wrote, of {len(parts):,} files part-*{ended}; {remedy}"
    data = [name for name in names if suffix_of(name) in SUFFIXES and name not in ("dataset_info.json", "state.json", "dataset_dict.json")]
    shown = f"; name one of its files: {', '.join(data[:5])}{', ...' if len(data) > 5 else ''}" if data else ""
    return f"is a folder, not a file{shown}"
