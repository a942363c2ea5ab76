"""Parquet and Arrow files, with the class names that `datasets` writes into them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.data.tables.content import RawFile
from bench.data.tables.table import Table
from bench.errors import DataError
from bench.system.one_line import first_line
from bench.system.sequences import collect

ROWS_AT_ONCE = 10_000
"""Rows of an Arrow file that are read at once."""


def read_parquet(file: str, raw: RawFile) -> Table:
    """Read the schema of a Parquet file. Each column is read on request. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(raw.path)
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
    except (pa.ArrowException, OSError) as e:
        raise DataError(f"{file}: not readable as Parquet: {first_line(e)}") from e
    return _table(file, "Parquet", schema, rows, lambda name: (batch[name] for batch in opened.iter_batches(columns=[name])))


def read_arrow(file: str, raw: RawFile) -> Table:
    """Read an Arrow file or stream, such as `datasets` and Feather write. Raises DataError."""
    import pyarrow as pa

    try:
        opened = pa.ipc.open_file if raw.head.startswith(b"ARROW1") else pa.ipc.open_stream
        table = opened(pa.memory_map(str(raw.path))).read_all()
    except (pa.ArrowException, OSError) as e:
        raise DataError(f"{file}: not readable as Arrow: {first_line(e)}") from e
    return _table(file, "Arrow", table.schema, table.num_rows, lambda name: (batch[name] for batch in table.to_batches(ROWS_AT_ONCE)))


def _table(file: str, kind: str, schema: Any, rows: int, batches: Callable[[str], Iterator[Any]]) -> Table:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        features = {name: feature for name, feature in features.items() if "ClassLabel" in json.dumps(feature)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        features = {}

    def values(name: str) -> Sequence[Any]:
        import pyarrow as pa

        try:
            return collect(_named(value, features.get(name)) for batch in batches(name) for value in _plain(batch))
        except pa.ArrowException as e:
            raise DataError(f"{file}: column '{name}' holds {schema.field(name).type}, not text") from e
        except OSError as e:
            raise DataError(f"{file}: column '{name}' is damaged: {first_line(e)}") from e
        except UnicodeDecodeError as e:
            raise DataError(f"{file}: column '{name}' holds text that is not UTF-8 (byte 0x{e.object[e.start]:02x})") from e

    return Table(file=file, kind=kind, names=schema.names, numbers=range(1, rows + 1), unit="row", values=values)


def _plain(column: Any) -> list[Any]:
    """Return the Python values of a column. Floats and dates become Arrow's text for them, and NaN becomes None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return list(column.to_pylist())
    if pa.types.is_floating(kind):
        wide = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
        column = pc.add(pc.if_else(pc.is_nan(wide), pa.scalar(None, wide.type), wide), pa.scalar(0.0, wide.type))  # -0.0 becomes 0.0
    return list(column.cast(pa.string()).to_pylist())


def _named(value: Any, feature: Any) -> Any:
    """Return a value with class names instead of class numbers. -1 means no label, and becomes None."""
    if value is None or feature is None:
        return value
    if isinstance(feature, list):
        return [_named(inner, feature[0]) for inner in value]
    if feature.get("_type") == "ClassLabel":
        names = feature.get("names") or ()
        return None if value == -1 else names[value] if isinstance(value, int) and 0 <= value < len(names) else value
    if isinstance(value, list):
        return [_named(inner, feature.get("feature")) for inner in value]
    if isinstance(value, dict):
        return {name: _named(inner, feature.get(name) or (feature.get("feature") or {}).get(name)) for name, inner in value.items()}
    return value
