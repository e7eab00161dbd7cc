"""cuDF's columns of text as the kernels take them, where they lie on the card.

    a column of strings  =  characters uint8, offsets int32 or int64[rows + 1]           Arrow's layout

cuDF reads Parquet and JSON lines on the card. Its characters are handed to a kernel without a copy, and a
kernel's back to cuDF; offsets are widened to int64, 8 bytes a row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import RequestError


class Columns:
    """cuDF beside the ``door`` of the same card. RequestError where it cannot be imported."""

    def __init__(self, door: Any) -> None:
        try:
            import cudf
            import pylibcudf
        except Exception as error:  # without a driver it raises what the driver's library does
            raise RequestError(
                f"cuDF cannot be imported ({type(error).__name__}: {error}): pip install -e '.[gpu]'"
            ) from error
        self.door, self._cudf, self._plc = door, cudf, pylibcudf

    def read(self, path: str | Path, columns: list[str] | None = None) -> Any:
        """Read a file of Parquet, or of JSON lines if its name says so, on the card: a DataFrame."""
        if Path(path).suffix == ".parquet":
            return self._cudf.read_parquet(path, columns=columns)
        found = self._cudf.read_json(path, lines=True)
        return found if columns is None else found[columns]

    def texts(self, series: Any) -> tuple[Any, Any]:
        """(data uint8, offsets int64[rows + 1]) of a Series of strings; null is the empty text."""
        kinds = self._plc.TypeId
        if series.to_pylibcudf()[0].type().id() != kinds.STRING:
            raise RequestError(f"the column is of {series.dtype}, expected strings")
        column = series.fillna("").to_pylibcudf()[0]
        rows, first = column.size(), column.offset()
        if not rows:
            return self.door.empty(0, np.uint8), self.door.full(1, 0, np.int64)
        ends = column.child(0)
        offsets = self._bytes_of(ends).view(np.int64 if ends.type().id() == kinds.INT64 else np.int32)
        first += ends.offset()
        return self._bytes_of(column), offsets[first : first + rows + 1].astype(np.int64)

    def _bytes_of(self, column: Any) -> Any:
        """A column's own buffer as bytes, uint8, where it lies; it lives as long as they do."""
        span, xp = column.data(), self.door.xp
        if span is None or not span.size:
            return self.door.empty(0, np.uint8)
        memory = xp.cuda.UnownedMemory(span.ptr, span.size, column)
        return xp.ndarray(span.size, np.uint8, xp.cuda.MemoryPointer(memory, 0))

    def series(self, data: Any, offsets: Any) -> Any:
        """A Series of strings on these characters; offsets from 0. RequestError for 2 GiB or more."""
        plc, rows = self._plc, len(offsets) - 1
        if len(data) >= 2**31:
            raise RequestError(f"{len(data):,} bytes of text in one column; cut the frame into pieces")
        ends = plc.Column.from_cuda_array_interface(offsets.astype(np.int32))
        kind = plc.DataType(plc.TypeId.STRING)
        column = plc.Column(kind, rows, plc.gpumemoryview(data), None, 0, 0, [ends])
        return self._cudf.Series.from_pylibcudf(column)

    def first_equal(self, series: Any) -> Any:
        """The first row that equals each one, int64[rows]: a dataframe's work, by hash and then by value."""
        rows = self.door.xp.arange(len(series))
        frame = self._cudf.DataFrame({"text": series, "row": rows})
        return self.door.array(frame.groupby("text", sort=False)["row"].transform("min").values, np.int64)

    def frame(self, columns: dict[str, Any]) -> Any:
        """A DataFrame of arrays, here or there."""
        return self._cudf.DataFrame(columns)
