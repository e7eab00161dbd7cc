"""Rows of delimited text in memory: measured by the kernel, and written as JSON objects or as they are."""

from __future__ import annotations

import msgspec
import numpy as np

from toolkit.kernels import csv_frame as kernel
from toolkit.kernels.json_lines import count_newlines


def rows_of(data: bytes, at: int, line: int, delimiter: bytes) -> tuple[np.ndarray, int]:
    """The rows that are not blank, as ``kernel.rows`` measures them, and the bytes of the others."""
    text = np.frombuffer(data, np.uint8)
    out, blank = np.empty((count_newlines(text) + 1, kernel.COLUMNS), np.int64), np.zeros(1, np.int64)
    count = kernel.rows(text, at, line, delimiter[0], blank, out)
    return out[:count], int(blank[0])


def not_utf8(row: bytes) -> str:
    """Where a row is not UTF-8, and why; empty where it is."""
    try:
        row.decode()
    except UnicodeDecodeError as error:
        return f"byte 0x{row[error.start]:02x} at {error.start}: {error.reason}"
    return ""


def keys_of(names: tuple[str, ...]) -> list[bytes]:
    """What goes before each value of an object, and after the last."""
    keys = [msgspec.json.encode(name) + b':"' for name in names] or [b""]
    return [b"{" + keys[0], *(b'",' + key for key in keys[1:]), b'"}']


def written(
    data: bytes, rows: np.ndarray, good: np.ndarray, delimiter: bytes, keys: list[bytes]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows as JSON, or as they are, in one buffer, and the n + 1 places where they begin and end."""
    joined = b"".join(keys)
    raw = rows[:, kernel.STOP] - rows[:, kernel.START]
    places = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.where(good, rows[:, kernel.SIZE] + len(joined), raw), out=places[1:])
    out = np.empty(places[-1] + kernel.SPARE, np.uint8)
    ends = np.cumsum([0, *map(len, keys[:-1])], dtype=np.int64)
    starts, stops = rows[:, kernel.START].copy(), rows[:, kernel.STOP].copy()
    source, key_bytes = np.frombuffer(data, np.uint8), np.frombuffer(joined, np.uint8)
    kernel.write(source, starts, stops, good.view(np.uint8), delimiter[0], key_bytes, ends, places, out)
    return out[: places[-1]], places
