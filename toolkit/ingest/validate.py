"""Is each record one JSON object? If not, why not, in a code that never changes.

A kernel scans all records of a span without making an object of any. Only one that it finds
bad, or cannot judge, is parsed, and diagnosed by a slower parser that also accepts what is
valid JSON but awkward (an escaped lone surrogate, an integer of any length): such a record is
good, and its bytes are kept as they came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
import numpy as np

from toolkit.ingest.contract import Field
from toolkit.ingest.frames import Frames
from toolkit.kernels.json_lines import GOOD, Scan, scan

MAX_DEPTH = 64

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_UNFINISHED = re.compile(r"(?:-|\.|[eE][-+]?|tr?u?|fa?l?s?|nu?l?|\\?u[0-9a-fA-F]{0,4})?[ \t\r]*\Z")
_decode = msgspec.json.Decoder().decode


class _NonFiniteError(ValueError):
    pass


@dataclass(frozen=True)
class Judged:
    """What validation found: ``good`` bool[n], and for each other record its (reason, detail)."""

    good: np.ndarray
    rejects: dict[int, tuple[str, str]]
    scan: Scan


def judge(frames: Frames, max_bytes: int, contract: Sequence[Field] = ()) -> Judged:
    """Validate the records of a span; one larger than ``max_bytes`` is refused unread.

    Each field of ``contract`` must be there, and then every good record is parsed.
    """
    found = scan(frames.data, frames.start, frames.stop, MAX_DEPTH)
    size = frames.stop - frames.start
    good = (found.verdict == GOOD) & (size <= max_bytes)
    good[list(frames.faults)] = False
    rejects = {}
    for row in np.flatnonzero(~good).tolist():
        if (verdict := _slowly(frames, row, int(size[row]), max_bytes)) is None:
            good[row] = True
        else:
            rejects[row] = verdict
    for row in np.flatnonzero(good).tolist() if contract else ():
        value = value_of(frames.payload(row))
        if (fault := next(filter(None, (item.fault(value) for item in contract)), None)) is not None:
            good[row], rejects[row] = False, fault
    return Judged(good, rejects, found)


def _slowly(frames: Frames, row: int, size: int, max_bytes: int) -> tuple[str, str] | None:
    """Why a record is rejected; None when it is good after all."""
    if row in frames.faults:
        return frames.faults[row]
    if size > max_bytes:
        return "json.too_long", f"{size} bytes, {max_bytes} allowed"
    payload = frames.payload(row)
    verdict = parse(payload) or diagnose(payload)
    return None if isinstance(verdict, dict) else verdict


def parse(line: bytes) -> dict[str, Any] | None:
    """The object in ``line`` if the strict parser takes it, else None: then ask ``diagnose``."""
    if line.count(b"{") + line.count(b"[") > MAX_DEPTH and depth(line) > MAX_DEPTH:
        return None
    try:
        value = _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None


def value_of(payload: bytes) -> dict[str, Any]:
    """The object in a payload that was found good."""
    value = parse(payload) or diagnose(payload)
    assert isinstance(value, dict)
    return value


def diagnose(line: bytes) -> tuple[str, str] | dict[str, Any]:
    """(reason, detail) for a line that is no JSON object, or the object if it is one after all."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf8.invalid", f"byte 0x{line[error.start]:02x} at {error.start}: {error.reason}"
    if (nul := line.find(b"\0")) >= 0:
        return "json.nul_byte", f"at byte {nul}"
    if (levels := depth(line)) > MAX_DEPTH:
        return "json.too_deep", f"{levels} levels"
    return _diagnose_json(text, line)


def depth(line: bytes) -> int:
    """The deepest nesting of brackets outside strings."""
    deepest = level = 0
    for byte in _STRINGS.sub(b"", line):
        if byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level -= 1
    return deepest


def _diagnose_json(text: str, line: bytes) -> tuple[str, str] | dict[str, Any]:
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
    start = len(text) - len(text.lstrip(" \t\r"))
    try:
        value, end = decoder.raw_decode(text, start)
    except _NonFiniteError as error:
        return "json.non_finite", str(error)
    except json.JSONDecodeError as error:
        return (
            "json.truncated" if _cut_short(text, error) else "json.invalid"
        ), f"character {error.pos}: {error.msg}"
    if text[end:].strip(" \t\r"):
        return "json.trailing_garbage", f"{len(text) - end} characters after the value"
    if not isinstance(value, dict):
        return "json.not_object", _kind(text[start:])
    return value or ("json.empty_object", "{}")


def _kind(text: str) -> str:
    """What a JSON text that is no object is, from its first character."""
    kinds = {"[": "a list", '"': "a text", "t": "true", "f": "false", "n": "null"}
    return kinds.get(text[:1], "a number")


def _refuse(name: str) -> NoReturn:
    raise _NonFiniteError(name)


def _integer(digits: str) -> int | str:
    # Python refuses to convert beyond 4,300 digits, so such a number stays text.
    return int(digits) if len(digits) <= 4300 else digits


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise _NonFiniteError(number[:40])
    return value


def _cut_short(text: str, error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated") or _UNFINISHED.match(text, error.pos) is not None
