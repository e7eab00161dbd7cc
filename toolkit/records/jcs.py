"""Identity by meaning: the canonical form of a JSON value, after RFC 8785 (JCS).

Two texts with one meaning (another key order, other escapes, `1.0` for `1`) have one canonical
form, hence one hash. Its numbers are IEEE 754 doubles, written as ECMAScript writes them; its
keys are sorted by UTF-16 code units; its strings have the fewest escapes. The price: a value
that no double or no UTF-8 text can hold has no canonical form, and is refused, not rounded.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn


class NotCanonical(ValueError):
    """The value has no canonical form; the message is the reason."""


def canonical_id(payload: bytes) -> str | None:
    """Hex sha256 of the canonical form of a JSON text, or None when it has none."""
    try:
        return hashlib.sha256(canonical_bytes(payload)).hexdigest()
    except NotCanonical:
        return None


def canonical_bytes(payload: bytes) -> bytes:
    """The canonical form of a JSON text.

    Raises NotCanonical when it is not JSON in UTF-8, for a key that stands twice in one object,
    and for all that ``canonical_json`` refuses.
    """
    try:
        value = json.loads(
            payload.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except NotCanonical:
        raise
    except RecursionError:
        raise NotCanonical("it is nested too deeply") from None
    except ValueError as error:
        raise NotCanonical(f"it is not JSON: {error}") from None
    return canonical_json(value)


def canonical_json(value: Any) -> bytes:
    """The canonical form of a decoded JSON value: dict, list, tuple, str, int, float, bool, None.

    Raises NotCanonical for an integer that no double holds, for NaN and the infinities, for a
    lone surrogate, for a key that is no text, and for anything of another type.
    """
    try:
        return "".join(_parts(value)).encode()
    except RecursionError:
        raise NotCanonical("it is nested too deeply") from None


def _parts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return (_text(value),)
    if value is None or isinstance(value, bool):
        return ({None: "null", True: "true", False: "false"}[value],)
    if isinstance(value, int):
        return (_number(_double(value)),)
    if isinstance(value, float):
        return (_number(value),)
    if isinstance(value, dict):
        return _joined("{", (f"{_text(key)}:{''.join(_parts(value[key]))}" for key in _keys(value)), "}")
    if isinstance(value, (list, tuple)):
        return _joined("[", ("".join(_parts(item)) for item in value), "]")
    raise NotCanonical(f"a value of type {type(value).__name__} is no JSON")


def _joined(opening: str, items: Iterable[str], closing: str) -> tuple[str, str, str]:
    return opening, ",".join(items), closing


def _keys(value: dict[Any, Any]) -> list[str]:
    for key in value:
        if not isinstance(key, str):
            raise NotCanonical(f"the key {key!r} is no text")
    return sorted(value, key=_utf16)


def _utf16(text: str) -> bytes:
    # Section 3.2.3: code units, not code points, so that an emoji sorts before U+FB33.
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise NotCanonical(f"U+{ord(text[error.start]):04X} stands alone") from None


def _text(text: str) -> str:
    # json escapes the quote, the backslash and what is below U+0020, in the short form or as
    # \u00xx in small letters, and nothing else: section 3.2.2.2.
    _utf16(text)
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """ECMAScript's Number::toString: the shortest digits that give the double back.

    With k digits d and the value 0.d * 10**n, the point stands in or beside the digits for
    -6 < n <= 21; beyond that the exponent is written.
    """
    if not math.isfinite(value):
        raise NotCanonical(f"{value} is no JSON number")
    if value == 0:
        return "0"  # minus zero too
    digits, n = _shortest(abs(value))
    return ("-" if value < 0 else "") + _placed(digits, n)


def _placed(digits: str, n: int) -> str:
    k = len(digits)
    if k <= n <= 21:
        return digits + "0" * (n - k)
    if 0 < n <= 21:
        return f"{digits[:n]}.{digits[n:]}"
    if -6 < n <= 0:
        return f"0.{'0' * -n}{digits}"
    mantissa = digits if k == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{n - 1:+d}"


def _shortest(value: float) -> tuple[str, int]:
    # repr gives the shortest digits that round back, the nearest of them: the same choice.
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    n = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return digits.rstrip("0"), n


def _integer(text: str) -> int:
    # No double reaches 10**309, and Python refuses to read integers beyond 4,300 digits.
    if len(text) > 310:
        raise NotCanonical(f"no double holds an integer of {len(text)} digits")
    return int(text)


def _double(value: int) -> float:
    # 2**68 is canonically 295147905179352830000, whose own double is 2**68 again: what
    # a double holds exactly, and what a double is written as, both stand for that double.
    try:
        double = float(value)
    except OverflowError:
        raise NotCanonical("no double holds so large an integer") from None
    if double != value and (abs(value) >= 10**21 or _number(double) != str(value)):
        raise NotCanonical(f"no double holds the integer {value}")
    return double


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise NotCanonical(f"the key {twice!r} stands twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotCanonical(f"{name} is no JSON number")
