"""What stays of a part, written as it came: the bytes of a line, or a row with all columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.pipeline.stages.plain.parts import TextPart
from toolkit.pipeline.stages.plain.rows import Rows
from toolkit.storage import LEVELS, read_shard, shard_name, write_parquet, write_shard

LINE = "line"  # the column of lines in a table


def write_survivors(
    out: Path, part: TextPart, rows: Rows, kept: np.ndarray, changed: Mapping[int, bytes] | None = None
) -> Path | None:
    """Write the rows ``kept`` int64 of a part into ``out``; return the file, or None if no line is kept.

    ``changed`` are lines that leave otherwise than they came. A table without rows still says its columns.
    """
    path = out / part.output
    written = rows.table is not None or len(kept) > 0
    for other in (out / f"{part.part}.parquet", *(out / shard_name(part.part, one) for one in LEVELS)):
        if other != path or not written:
            other.unlink(missing_ok=True)
    if not written:
        return None
    if rows.table is not None:
        write_parquet(path, rows.table.take(pa.array(kept)))
    else:
        lines, fresh = rows.raw(), changed or {}
        write_shard(path, b"".join([fresh.get(row, lines[row]) + b"\n" for row in kept.tolist()]))
    return path


def read_survivors(out: Path) -> pa.Table | None:
    """All that stays, as one table; lines are a column ``line``. None if nothing does."""
    tables = list(_tables(out))
    return pa.concat_tables(tables, promote_options="default") if tables else None


def _tables(out: Path) -> Iterator[pa.Table]:
    for path in sorted(out.glob("part-*")):
        if path.suffix == ".parquet":
            yield pq.read_table(path)
        else:
            yield pa.table({LINE: pa.array(read_shard(path), pa.large_binary())})
