"""Arrow columns as values that JSON can spell, exactly.

    integers                  numbers, of any size
    float32, float16          numbers, widened to float64 (which changes no value)
    decimals                  numbers, with every digit
    date, time                ISO 8601 text: 2026-11-22, 10:20:30.000001
    timestamp                 2026-11-22T10:20:30.000001, with Z (in UTC) where the column has a zone
    duration                  PT1.5S, -PT1.5S
    binary                    base64 text
    list, struct              kept; field names given twice stay twice
    map                       an object where the keys are text, else a list of [key, value]

A date or time that these forms can not hold is text of another: "9007199254740992 s since 1970-01-01".
Text that is not UTF-8 becomes lone surrogates (PEP 383), floats may be NaN: ``fault`` finds both.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import types

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INSIDE = ("storage", "dictionary", "values")
_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


class Pairs:
    """An object in which a name is given twice. No dataclass: msgspec has a spelling of its own for those."""

    def __init__(self, items: Iterable[tuple[str, Any]]) -> None:
        self.items = tuple(items)


class UnknownType(ValueError):
    """A column of a type that has no spelling here."""


def values(array: pa.Array) -> list[Any]:
    """One Python value a row of ``array``; UnknownType for what the table above does not name."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return values(array.storage)
    if types.is_dictionary(kind):
        return values(array.dictionary_decode())
    return _reader(kind)(array)


def encode_lines(objects: list[Any]) -> bytearray:
    """Each of ``objects`` as JSON and LF; UnicodeEncodeError at a lone surrogate. NaN becomes null: ask
    ``finite`` before.
    """  # fmt: skip
    return bytearray(_encoder.encode_lines(objects))


def finite(array: pa.Array) -> bool:
    """False if a float in ``array``, at any depth, may be NaN or infinite."""
    kind = array.type
    if types.is_floating(kind):
        return bool(np.isfinite(array.drop_null().to_numpy(zero_copy_only=False)).all())
    if types.is_struct(kind):
        return all(finite(array.field(index)) for index in range(kind.num_fields))
    if types.is_map(kind):
        return finite(array.keys) and finite(array.items)
    inner = (
        "storage"
        if isinstance(kind, pa.BaseExtensionType)
        else "dictionary"
        if types.is_dictionary(kind)
        else "values"
    )
    return finite(getattr(array, inner)) if hasattr(array, inner) else True


def fault(value: Any) -> tuple[str, str] | None:
    """(reason, what) of the first text or float in ``value`` that JSON can not spell."""
    if isinstance(value, str) and not value.isascii():
        byte = next((character for character in value if "\udc80" <= character <= "\udcff"), None)
        return byte and ("utf8.invalid", f"byte 0x{ord(byte) - 0xDC00:02x}")
    if isinstance(value, float) and not isfinite(value):
        return "json.non_finite", _FLOATS[str(value)]
    if isinstance(value, (dict, Pairs)):
        value = [part for pair in _items(value) for part in pair]
    return next(filter(None, map(fault, value)), None) if isinstance(value, list) else None


def spelled(value: Any) -> bytes:
    """``value`` as JSON but for NaN, Infinity and -Infinity, in ASCII: what can not be read is still seen."""
    if isinstance(value, str):
        return json.dumps(value).encode()
    if isinstance(value, float) and not isfinite(value):
        return _FLOATS[str(value)].encode()
    if isinstance(value, (dict, Pairs)):
        return b"{%b}" % b",".join(spelled(name) + b":" + spelled(item) for name, item in _items(value))
    if isinstance(value, list):
        return b"[%b]" % b",".join(map(spelled, value))
    return _encode(value)


def _raw(value: Any) -> msgspec.Raw:
    if not isinstance(value, Pairs):
        raise TypeError(type(value).__name__)
    return msgspec.Raw(
        b"{%b}" % b",".join(_encode(name) + b":" + _encode(item) for name, item in value.items)
    )


def _items(value: dict[str, Any] | Pairs) -> Iterable[tuple[str, Any]]:
    return value.items if isinstance(value, Pairs) else value.items()


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_raw)
_encode = _encoder.encode


def _reader(kind: pa.DataType) -> Callable[[pa.Array], list[Any]]:
    return next((read for fits, read in _READERS if fits(kind)), _unknown)


def _unknown(array: pa.Array) -> list[Any]:
    raise UnknownType(f"the type {array.type} is not read")


def _plain(array: pa.Array) -> list[Any]:
    return array.to_pylist()


def _number(array: pa.Array) -> list[Any]:
    return array.to_pylist() if array.null_count else array.to_numpy(zero_copy_only=False).tolist()


def _text(array: pa.Array) -> list[str | None]:
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        raw = array.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


def _binary(array: pa.Array) -> list[str | None]:
    encode = base64.b64encode
    return [None if value is None else encode(value).decode() for value in array.to_pylist()]


def _moment(array: pa.Array) -> list[str | None]:
    kind = array.type
    zone = "Z" if kind.tz else ""
    size = 19 + bool(_DIGITS[kind.unit]) + _DIGITS[kind.unit]
    naive = array.cast(pa.timestamp(kind.unit)) if kind.tz else array
    found = _spelled(naive, size, f"{kind.unit} since 1970-01-01", array.cast(pa.int64()))
    return [text and (text[:10] + "T" + text[11:] + zone if text[4] == "-" else text) for text in found]


def _date(array: pa.Array) -> list[str | None]:
    days = types.is_date32(array.type)
    counts = array.cast(pa.int32() if days else pa.int64())
    return _spelled(array, 10, f"{'days' if days else 'ms'} since 1970-01-01", counts)


def _time(array: pa.Array) -> list[str | None]:
    unit = array.type.unit
    counts = array.cast(pa.int32() if types.is_time32(array.type) else pa.int64())
    return _spelled(array, 8 + bool(_DIGITS[unit]) + _DIGITS[unit], f"{unit} since midnight", counts)


def _spelled(array: pa.Array, size: int, count: str, counts: pa.Array) -> list[str | None]:
    """Arrow's text where it has ``size`` characters and begins with a digit, else the number of units."""
    found = array.cast(pa.string()).to_pylist()
    for row, text in enumerate(found):
        if text is not None and (len(text) != size or not text[0].isdigit()):
            found[row] = f"{counts[row].as_py()} {count}"
    return found


def _duration(array: pa.Array) -> list[str | None]:
    unit = array.type.unit
    return [_seconds(count, unit) for count in array.cast(pa.int64()).to_pylist()]


def _seconds(count: int | None, unit: str) -> str | None:
    if count is None:
        return None
    whole, part = divmod(abs(count), _PER_SECOND[unit])
    fraction = f".{part:0{_DIGITS[unit]}d}".rstrip("0") if part else ""
    return f"{'-' if count < 0 else ''}PT{whole}{fraction}S"


def _structs(array: pa.StructArray) -> list[dict[str, Any] | Pairs | None]:
    names = [array.type.field(index).name for index in range(array.type.num_fields)]
    columns = [values(array.field(index)) for index in range(len(names))]
    rows = zip(*columns, strict=True) if columns else [()] * len(array)
    return _but_nulls(array, [fields(names, row) for row in rows])


def fields(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any] | Pairs:
    """The object of these names and values, none of them lost."""
    found = dict(zip(names, row, strict=True))
    return found if len(found) == len(names) else Pairs(zip(names, row, strict=True))


def _lists(array: pa.Array) -> list[list[Any] | None]:
    offsets = array.offsets.to_pylist()
    inner = values(array.values.slice(offsets[0], offsets[-1] - offsets[0]))
    starts = [offset - offsets[0] for offset in offsets]
    return _but_nulls(array, [inner[a:b] for a, b in pairwise(starts)])


def _views(array: pa.Array) -> list[list[Any] | None]:
    large = types.is_large_list_view(array.type)
    return _lists(array.cast((pa.large_list if large else pa.list_)(array.type.value_type)))


def _fixed_lists(array: pa.FixedSizeListArray) -> list[list[Any] | None]:
    size = array.type.list_size
    inner = values(array.values.slice(array.offset * size, len(array) * size))
    return _but_nulls(array, [inner[row * size : row * size + size] for row in range(len(array))])


def _maps(array: pa.MapArray) -> list[Any]:
    offsets = array.offsets.to_pylist()
    first, size = offsets[0], offsets[-1] - offsets[0]
    keys, items = values(array.keys.slice(first, size)), values(array.items.slice(first, size))
    textual = types.is_string(array.type.key_type) or types.is_large_string(array.type.key_type)
    places = pairwise([offset - first for offset in offsets])
    return _but_nulls(array, [_map(keys[a:b], items[a:b], textual) for a, b in places])


def _map(keys: list[Any], items: list[Any], textual: bool) -> dict[str, Any] | Pairs | list[list[Any]]:
    if textual:
        return fields(keys, items)
    return [list(pair) for pair in zip(keys, items, strict=True)]


def _but_nulls(array: pa.Array, rows: list[Any]) -> list[Any]:
    if not array.null_count:
        return rows
    return [row if valid else None for row, valid in zip(rows, array.is_valid().to_pylist(), strict=True)]


def _is_binary(kind: pa.DataType) -> bool:
    fits = types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view
    return any(fit(kind) for fit in fits)


def _is_text(kind: pa.DataType) -> bool:
    return any(fits(kind) for fits in (types.is_string, types.is_large_string, types.is_string_view))


_READERS: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], list[Any]]]] = [
    (_is_text, _text),
    (types.is_integer, _number),
    (types.is_floating, _number),
    (types.is_null, _plain),
    (types.is_boolean, _plain),
    (types.is_decimal, _plain),
    (_is_binary, _binary),
    (types.is_date, _date),
    (types.is_time, _time),
    (types.is_timestamp, _moment),
    (types.is_duration, _duration),
    (types.is_struct, _structs),
    (types.is_map, _maps),
    (types.is_fixed_size_list, _fixed_lists),
    (lambda kind: types.is_list(kind) or types.is_large_list(kind), _lists),
    (lambda kind: types.is_list_view(kind) or types.is_large_list_view(kind), _views),
]
