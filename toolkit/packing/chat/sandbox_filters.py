"""The filters and tests a chat template may use, paid for, and true to the source of their text.

Taken from Jinja where Jinja's do; written here where Jinja's lose track of who wrote a character
(``join``, ``title``), where Hugging Face's differ (``tojson`` does not escape HTML) or where a width
could make a text of any length (``indent``). What is left out: ``safe`` and its kin, which change
how later text is joined; ``format`` and others that repeat; ``random``; and whatever no template needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from jinja2 import filters, pass_environment, tests
from jinja2.exceptions import SecurityError

from toolkit.packing.chat.traced import TEMPLATE, Traced, joined, rewritten, spans_of, traced

if TYPE_CHECKING:
    from toolkit.packing.chat.sandbox import Sandbox

_TAKEN = [
    "abs",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "last",
    "length",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "unique",
]
_OF_TEXT = ["capitalize", "lower", "trim", "upper"]
_TESTS = [
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "true",
    "undefined",
    "upper",
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
]
TESTS = {name: tests.TESTS[name] for name in _TESTS}
_WIDEST = 64


@pass_environment
def _join(sandbox: Sandbox, value: Any, d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        value = map(filters.make_attrgetter(sandbox, attribute), value)
    parts: list[str] = []
    for item in value:
        parts += [d, sandbox.text(item)] if parts else [sandbox.text(item)]
    return sandbox.concat(parts)


@pass_environment
def _replace(sandbox: Sandbox, s: Any, old: str, new: str, count: int | None = None) -> str:
    text, old, new = sandbox.text(s), sandbox.text(old), sandbox.text(new)
    sandbox.check_replace(text, old, new)
    made = traced(text, TEMPLATE) if sandbox.tracing and not isinstance(text, Traced) else text
    return made.replace(old, new, -1 if count is None else count)


def _whole(function: Callable[..., str]) -> Callable[..., str]:
    """Wrap a filter that makes a new text of all of the old one."""

    @pass_environment
    @wraps(function)
    def whole(sandbox: Sandbox, s: Any, *args: Any, **kwargs: Any) -> str:
        text = sandbox.text(s)
        result = function(str.__getitem__(text, slice(None)), *args, **kwargs)
        return rewritten(result, text) if sandbox.tracing else result

    return whole


def _of_text(function: Callable[..., str]) -> Callable[..., str]:
    """Wrap a filter that calls ``str`` on what it is given: an object's text may be its address."""

    @pass_environment
    @wraps(function)
    def of_text(sandbox: Sandbox, s: Any, *args: Any, **kwargs: Any) -> str:
        return function(sandbox.text(s), *args, **kwargs)

    return of_text


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    if (width if isinstance(width, int) else len(width)) > _WIDEST:
        raise SecurityError(f"a template cannot indent by more than {_WIDEST} places")
    return filters.do_indent(s, width, first, blank)


@pass_environment
def _string(sandbox: Sandbox, value: Any) -> str:
    return sandbox.text(value)


@pass_environment
def _tojson(
    sandbox: Sandbox,
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON as Hugging Face's filter does: ``json.dumps`` with ``ensure_ascii`` off."""
    if (indent is not None and not 0 <= int(indent) <= _WIDEST) or (
        separators and max(map(len, separators)) > 8
    ):
        raise SecurityError("tojson: the indent or a separator is too wide")
    sandbox.reserve((6 + (indent or 0)) * sandbox.weigh(value))
    if not sandbox.tracing:
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )
    comma, colon = separators or (", " if indent is None else ",", ": ")
    return joined(_json(value, ensure_ascii, indent, comma, colon, sort_keys, 1))


def _json(
    value: Any, ascii_only: bool, indent: int | None, comma: str, colon: str, sort: bool, level: int
) -> Iterator[str]:
    """Yield the JSON of a value in pieces that keep the source of their text."""
    style = (ascii_only, indent, comma, colon, sort, level + 1)
    if isinstance(value, str):
        yield from _json_text(value, ascii_only)
    elif isinstance(value, (dict, list, tuple)) and value:
        pairs = isinstance(value, dict)
        line = "" if indent is None else "\n" + " " * (indent * level)
        yield "{" if pairs else "["
        items = (sorted(value.items()) if sort else value.items()) if pairs else ((None, v) for v in value)
        for number, (key, item) in enumerate(items):
            yield (comma if number else "") + line
            if pairs:
                yield from _json_text(key if isinstance(key, str) else _json_key(key), ascii_only)
                yield colon
            yield from _json(item, *style)
        yield line[: len(line) - (indent or 0)] + ("}" if pairs else "]")
    else:
        yield json.dumps(value)


def _json_key(key: Any) -> str:
    if isinstance(key, (bool, int, float)) or key is None:
        return json.dumps(key)
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def _json_text(text: str, ascii_only: bool) -> Iterator[str]:
    yield '"'
    at = 0
    for length, source in spans_of(text):
        piece = str.__getitem__(text, slice(at, at + length))
        yield traced(json.dumps(piece, ensure_ascii=ascii_only)[1:-1], source)
        at += length
    yield '"'


FILTERS: dict[str, Callable] = {
    **{name: filters.FILTERS[name] for name in _TAKEN},
    **{name: _of_text(filters.FILTERS[name]) for name in _OF_TEXT},
    "indent": _whole(_indent),
    "join": _join,
    "replace": _replace,
    "string": _string,
    "title": _whole(filters.do_title),
    "tojson": _tojson,
}


def guarded(sandbox: Sandbox, function: Callable) -> Callable:
    """Return a filter that pays for what it is given and tells traced text from the template's own."""

    @wraps(function)
    def filter_(*args: Any, **kwargs: Any) -> Any:
        for value in args[:2]:  # the first may be the context
            sandbox.spend(1 + len(value) // 64 if isinstance(value, (str, list, tuple, dict)) else 1)
        if sandbox.tracing:
            args = tuple(traced(v, TEMPLATE) if type(v) is str else v for v in args)
        return function(*args, **kwargs)

    return filter_
