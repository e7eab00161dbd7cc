"""Tables on disk: Parquet for what is kept, Arrow IPC for what a later stage of the same run maps.

Parquet is written with zstd, one fixed row-group size and no clock, so equal tables give
equal bytes. IPC is uncompressed: a reader maps it and touches only the rows it needs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.storage.atomic import writing

ROW_GROUP = 16_384


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write ``table`` to ``path``, atomically."""
    with writing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROW_GROUP)


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some columns of it, memory-mapped and in this process alone."""
    with pq.ParquetFile(path, memory_map=True) as file:
        return file.read(columns=columns, use_threads=False)


def write_ipc(path: Path, table: pa.Table) -> None:
    """Write ``table`` as an uncompressed Arrow file with one record batch, atomically."""
    with (
        writing(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        for batch in table.combine_chunks().to_batches():
            writer.write_batch(batch)


def read_ipc(path: Path) -> pa.Table:
    """Map an Arrow file; its buffers are pages of the file, read when touched."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write_array(path: Path, array: np.ndarray, last: bool = True) -> None:
    """Write an array in NumPy's own format, atomically; ``last`` as ``atomic.writing`` takes it."""
    with writing(path, last) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """Map an array that ``write_array`` wrote."""
    return np.load(path, mmap_mode="r", allow_pickle=False)
