"""Writes rows into a Parquet file. Extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from bailiwick.audit.exports.rows import COLUMNS

__all__ = ["SCHEMA", "write"]

BATCH = 10_000

_TYPES = {"int": pa.int64(), "bool": pa.bool_(), "text": pa.string(), "texts": pa.list_(pa.string())}

SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in COLUMNS.items()])


def write(rows: Iterable[Mapping[str, Any]], file: BinaryIO) -> int:
    """Write them into a new file. → how many rows. OSError is the file's."""
    waiting, written = iter(rows), 0
    with parquet.ParquetWriter(file, SCHEMA, compression="zstd") as out:
        while batch := list(islice(waiting, BATCH)):
            out.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))
            written += len(batch)
    return written
