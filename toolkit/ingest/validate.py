"""Is this line one JSON object? If not, why not, in a code that never changes.

The fast path is one strict parse. Only a line that fails it is diagnosed, by a second,
slower parser that also accepts what is valid JSON but awkward (an escaped lone surrogate,
an integer of any length): such a line is good, and its bytes are kept as they came.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

MAX_DEPTH = 64

REASONS = {
    "utf8.invalid": "a byte sequence that is not UTF-8",
    "json.nul_byte": "a NUL byte",
    "json.too_long": "a line longer than the spec allows",
    "json.too_deep": f"more than {MAX_DEPTH} levels of nesting",
    "json.truncated": "the line ends in the middle of a value",
    "json.trailing_garbage": "a whole value, and then more",
    "json.non_finite": "NaN, Infinity, or a number beyond every float",
    "json.invalid": "not JSON",
    "json.not_object": "JSON, but not an object",
    "json.empty_object": "an object without a field",
}

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_UNFINISHED = re.compile(r"(?:-|\.|[eE][-+]?|tr?u?|fa?l?s?|nu?l?|\\?u[0-9a-fA-F]{0,4})?[ \t\r]*\Z")
_decode = msgspec.json.Decoder().decode


class _NonFiniteError(ValueError):
    pass


def parse(line: bytes) -> dict[str, Any] | None:
    """The object in ``line`` if the strict parser takes it, else None: then ask ``diagnose``."""
    if line.count(b"{") + line.count(b"[") > MAX_DEPTH and depth(line) > MAX_DEPTH:
        return None
    try:
        value = _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None


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
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=str)
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


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise _NonFiniteError(number[:40])
    return value


def _cut_short(text: str, error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated") or _UNFINISHED.match(text, error.pos) is not None
