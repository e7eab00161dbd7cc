"""cuDF and pylibcudf as far as ``cuda.columns`` needs them, over the imitation of CuPy.

Strings are what they are there: characters and 32-bit offsets on the card, a validity beside them, and a
slice that begins at an offset within its column's buffers.
"""

import sys
import types

import imitation
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from imitation import Array, on_card


class DataType:
    def __init__(self, number):
        self.number = number

    def id(self):
        return self.number


class TypeId:
    INT32, INT64, STRING = 3, 4, 23


class Column:
    """pylibcudf's: (type, size, data, mask, null count, offset, children)."""

    def __init__(self, kind, size, data, mask, null_count, offset, children):
        assert isinstance(data, gpumemoryview) or data is None
        assert all(isinstance(child, Column) for child in children)
        self._kind, self._size, self._data, self._mask = kind, size, data, mask
        self._offset, self._children = offset, children
        assert null_count == (0 if mask is None else int((~mask).sum()))

    @classmethod
    def from_cuda_array_interface(cls, array):
        assert isinstance(array, Array) and array.ndim == 1
        kind = {np.dtype(np.int32): TypeId.INT32, np.dtype(np.int64): TypeId.INT64}[array.dtype]
        return cls(DataType(kind), len(array), gpumemoryview(array.view(np.uint8)), None, 0, 0, [])

    def size(self):
        return self._size

    def offset(self):
        return self._offset

    def type(self):
        return self._kind

    def data(self):
        return self._data

    def child(self, number):
        return self._children[number]


class gpumemoryview:
    """A span: an address and a number of bytes, and what owns them."""

    def __init__(self, array):
        assert isinstance(array, Array)
        self.array, self.ptr, self.size = array, array.ctypes.data, array.nbytes


class Series:
    """Strings as a Column, anything else as an array."""

    def __init__(self, values):
        self._values = values if isinstance(values, (Column, Array)) else on_card(values)
        self.dtype = np.dtype(object) if isinstance(values, Column) else self._values.dtype

    @classmethod
    def of_texts(cls, texts, before=0, offsets=np.int32):
        """From Python; the first ``before`` of them lie in the buffers only, as before a slice."""
        made = pa.array(texts, pa.string() if offsets is np.int32 else pa.large_string())
        ends = np.frombuffer(made.buffers()[1], offsets)[: len(texts) + 1]
        data = np.frombuffer(made.buffers()[2] or b"", np.uint8)
        held = made.is_valid().to_numpy(zero_copy_only=False)[before:]
        mask = None if held.all() else held
        ends = Column.from_cuda_array_interface(on_card(ends))
        chars = gpumemoryview(on_card(data)) if len(data) else None
        nulls = int((~held).sum())
        return cls(Column(DataType(TypeId.STRING), len(texts) - before, chars, mask, nulls, before, [ends]))

    @classmethod
    def from_pylibcudf(cls, column):
        assert column.type().id() == TypeId.STRING
        return cls(column)

    def to_pylibcudf(self):
        if isinstance(self._values, Array):
            return Column.from_cuda_array_interface(self._values), {}
        return self._values, {}

    def __len__(self):
        return self._values.size() if isinstance(self._values, Column) else len(self._values)

    def to_pylist(self):
        if isinstance(self._values, Array):
            return self._values.tolist()
        column = self._values
        data = b"" if column.data() is None else bytes(np.asarray(column.data().array))
        wide = column.child(0).type().id() == TypeId.INT64
        ends = np.asarray(column.child(0).data().array).view(np.int64 if wide else np.int32)
        ends = ends[column.offset() :]
        held = [True] * column.size() if column._mask is None else column._mask
        return [data[ends[i] : ends[i + 1]].decode() if held[i] else None for i in range(column.size())]

    def fillna(self, value):
        if self._values._mask is None:
            return self
        return Series.of_texts([value if text is None else text for text in self.to_pylist()])

    @property
    def values(self):
        return self._values


class DataFrame:
    def __init__(self, columns):
        self._columns = {
            name: values if isinstance(values, Series) else Series(values) for name, values in columns.items()
        }

    @property
    def columns(self):
        return list(self._columns)

    def __getitem__(self, name):
        return (
            DataFrame({n: self._columns[n] for n in name}) if isinstance(name, list) else self._columns[name]
        )

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def take(self, rows):
        assert isinstance(rows, Array)
        return DataFrame({name: _taken(series, rows.tolist()) for name, series in self._columns.items()})

    def groupby(self, name, sort=True):
        keys = self._columns[name].to_pylist()
        return {other: _Grouped(keys, series) for other, series in self._columns.items() if other != name}

    def to_pydict(self):
        return {name: series.to_pylist() for name, series in self._columns.items()}


class _Grouped:
    def __init__(self, keys, series):
        self.keys, self.series = keys, series

    def transform(self, what):
        assert what == "min"
        least = {}
        for key, value in zip(self.keys, self.series.to_pylist(), strict=True):
            least[key] = min(value, least.get(key, value))
        return Series(np.array([least[key] for key in self.keys], self.series.dtype))


def _taken(series, rows):
    values = series.to_pylist()
    if isinstance(series.values, Column):
        return Series.of_texts([values[row] for row in rows])
    return Series(np.array([values[row] for row in rows], series.dtype))


def _of_arrow(table):
    return DataFrame(dict(zip(table.column_names, map(_series, table.columns), strict=True)))


def _series(column):
    if pa.types.is_string(column.type):
        return Series.of_texts(column.to_pylist())
    return Series(column.to_numpy())


def _read_json(path, lines):
    assert lines
    from pyarrow import json

    return _of_arrow(json.read_json(path))


def installed(monkeypatch):
    """Both are installed, and these are they; to be used within ``imitation.installed``."""
    cudf, pylibcudf = types.ModuleType("cudf"), types.ModuleType("pylibcudf")
    cudf.DataFrame, cudf.Series, cudf.read_json = DataFrame, Series, _read_json
    cudf.read_parquet = lambda path, columns=None: _of_arrow(pq.read_table(path, columns=columns))
    pylibcudf.Column, pylibcudf.DataType, pylibcudf.TypeId = Column, DataType, TypeId
    pylibcudf.gpumemoryview = gpumemoryview
    monkeypatch.setitem(sys.modules, "cudf", cudf)
    monkeypatch.setitem(sys.modules, "pylibcudf", pylibcudf)
    assert imitation.POOL is not None
    return cudf
