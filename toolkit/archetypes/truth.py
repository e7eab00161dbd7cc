"""What was planted, and where: ``truth.parquet``, one row a plant, written as the dump is written.

``line`` and ``other_line`` are 1-based physical lines of the decompressed file, blank lines
counted; ``item`` is the 0-based line of the evaluation file. A column that a kind does not use
is null.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 8192
TRUTH = pa.schema(
    [
        ("kind", pa.string()),
        ("path", pa.string()),
        ("line", pa.int64()),
        ("other_path", pa.string()),
        ("other_line", pa.int64()),
        ("edit", pa.string()),
        ("edit_rate", pa.float64()),
        ("reason", pa.string()),
        ("set", pa.string()),
        ("item", pa.int64()),
        ("words", pa.int64()),
        ("group", pa.int64()),
    ]
)


class Truth:
    """Appends rows to the file in row groups of 8,192 and counts them by kind and by reason."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, TRUTH, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self.kinds: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def add(self, kind: str, path: str, line: int | None, **columns: Any) -> None:
        """Add one row; ``columns`` are names of the schema."""
        self._rows.append({"kind": kind, "path": path, "line": line, **columns})
        self.kinds[kind] += 1
        if kind == "malformed":
            self.reasons[columns["reason"]] += 1
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=TRUTH))
        self._rows = []

    def close(self) -> None:
        """Write what is left and the file's footer."""
        self._flush()
        self._writer.close()
