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
        opened = parquet.ParquetFile(raw.path, page_checksum_verification=True)
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
        return _table(file, "Parquet", schema, rows, lambda name: (batch[name] for batch in opened.iter_batches(columns=[name])))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as e:
        raise DataError(f"{file}: not readable as Parquet: {first_line(e)}") from e


def read_arrow(file: str, raw: RawFile) -> Table:
    """Read an Arrow file or stream, such as `datasets` and Feather write. Raises DataError."""
    import pyarrow as pa

    try:
        opened = pa.ipc.open_file if raw.head.startswith(b"ARROW1") else pa.ipc.open_stream
        table = opened(pa.memory_map(str(raw.path))).read_all()
        table.validate()
        return _table(file, "Arrow", table.schema, table.num_rows, lambda name: (batch[name] for batch in table.to_batches(ROWS_AT_ONCE)))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as e:
        raise DataError(f"{file}: not readable as Arrow: {first_line(e)}") from e


def _table(file: str, kind: str, schema: Any, rows: int, batches: Callable[[str], Iterator[Any]]) -> Table:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        features = {name: feature for name, feature in features.items() if "ClassLabel" in json.dumps(feature)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        features = {}

    def values(name: str) -> Sequence[Any]:
        import pyarrow as pa

        try:
            return collect(_named(value, features.get(name)) for batch in batches(name) for value in _plain(_intact(batch)))
        except pa.ArrowException as e:
            raise DataError(f"{file}: column '{name}' holds {schema.field(name).type}, not text") from e
        except (OSError, UnicodeDecodeError) as e:  # the second: a name inside an object is not UTF-8
            raise DataError(f"{file}: column '{name}' is damaged: {first_line(e)}") from e

    return Table(file=file, kind=kind, names=schema.names, numbers=range(1, rows + 1), unit="row", values=values)


def _intact(column: Any) -> Any:
    """Return a column after its lengths, offsets and texts are checked. A damaged one can crash the process that uses it.

    Raises OSError, as pyarrow does where it cannot read a column.
    """
    import pyarrow as pa

    try:
        column.validate(full=True)
    except pa.ArrowInvalid as e:
        raise OSError(str(e)) from e
    return column


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
    if isinstance(feature, list) and feature:  # older versions of `datasets` write [feature] for a list
        feature = {"feature": feature[0]}
    if not isinstance(feature, dict):
        return value
    of_parts = feature.get("feature")
    if feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        if isinstance(value, int) and isinstance(names, list) and 0 <= value < len(names):
            return names[value]
        return None if value == -1 else value
    if isinstance(value, list):
        return [_named(inner, of_parts) for inner in value]
    if isinstance(value, dict):
        parts = of_parts if isinstance(of_parts, dict) else {}
        return {name: _named(inner, feature.get(name) or parts.get(name)) for name, inner in value.items()}
    return value
