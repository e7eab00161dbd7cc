"""Parquet read by cuDF and deduplicated where it lies: a frame that fits the card, in one process.

    python -m benchmarks.gpu_frames FOLDER OUT.json

``read`` and ``dedup`` are seconds of the second time; the first compiles kernels and is ``first``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def frames(folder: Path) -> Row:
    """Seconds to read the texts of a folder's Parquet files, and to deduplicate them, twice."""
    import cudf

    from toolkit.dedup.frames import deduplicate
    from toolkit.kernels.cuda import Cuda
    from toolkit.kernels.cuda.columns import Columns

    door = Cuda()
    door.use()
    columns, files, found = Columns(door), sorted(folder.glob("*.parquet")), []
    for _ in range(2):
        start = time.perf_counter()
        frame = cudf.concat([columns.read(path, ["text"]) for path in files], ignore_index=True)
        door.wait()
        middle = time.perf_counter()
        told = deduplicate(frame, columns=columns)
        found.append((middle - start, time.perf_counter() - middle))
    (first_read, first_dedup), (read, dedup) = found
    return {
        "rows": len(frame), "removed": len(told.evidence), "read": read, "dedup": dedup,
        "first": [first_read, first_dedup],
    }  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(frames(Path(sys.argv[1]))) + "\n")
