"""The texts of a record one by one, each with its place: what decontamination searches.

A run of words counts only within one text, so two fields are never read as one. Text that is JSON
(a tool call and its arguments, what a verifier is given) comes as it stands and again as the
strings in it, decoded, at any depth: an escape like backslash-n would hide the word behind it.
Roles are no text. Of an exact-match verifier the name of the comparison is none either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.records.rendering import CONVERSATIONS

ROLE_KEYS = ("role", "from")
_DEPTH = 16  # of JSON within JSON


def searched_fields(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(place, text) of all text of a canonical record: ``messages[1].tool_calls`` and the like."""
    found = [pair for name in CONVERSATIONS for pair in texts_in(record.get(name), name)]
    if record.get("answer"):
        found.append(("answer", record["answer"]))
    verifier = record.get("verifier") or {}
    spec = verifier.get("spec")
    if verifier.get("kind") == "exact_match" and spec is not None:
        value = _decoded(spec)
        spec = {key: value[key] for key in value if key != "compare"} if isinstance(value, Mapping) else spec
    return [*found, *texts_in(spec, "verifier.spec")]


def searched_texts(record: Mapping[str, Any]) -> list[str]:
    """The texts of ``searched_fields`` without their places."""
    found: list[str] = []
    for name in CONVERSATIONS:
        for turn in record.get(name) or ():
            for said in (turn["content"], turn["tool_calls"]):
                if said is None:
                    continue
                found.append(said)
                if said.lstrip(" \t\r\n")[:1] in ("{", "["):
                    found[-1:] = [text for _, text in texts_in(said, name)]
    beside = {key: record.get(key) for key in ("answer", "verifier")}
    return found + [text for _, text in searched_fields(beside)]


def texts_in(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """(place, text) of every string in JSON data, in order; ``name`` is the place of ``value`` itself."""
    waiting = [(name, value, 0)]
    while waiting:
        place, item, depth = waiting.pop()
        if isinstance(item, str):
            yield place, item
            decoded = _decoded(item) if depth < _DEPTH else None
            if decoded is not None:
                waiting.append((place, decoded, depth + 1))
            continue
        inside = []
        if isinstance(item, Mapping):
            inside = [(f"{place}.{key}", one) for key, one in item.items() if key not in ROLE_KEYS]
        elif isinstance(item, list | tuple):
            inside = [(f"{place}[{number}]", one) for number, one in enumerate(item)]
        # within JSON text the place is that of the text
        waiting += [(place if depth else where, one, depth) for where, one in reversed(inside)]


def _decoded(text: str) -> Any:
    """The object or list that a text spells in JSON, its strings made valid UTF-8; else None."""
    if text.lstrip(" \t\r\n")[:1] not in ("{", "["):
        return None
    try:
        return _valid(json.loads(text, parse_int=str, parse_float=str, parse_constant=str))
    except (ValueError, RecursionError):
        return None


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_valid(item) for item in value]
    return {key: _valid(item) for key, item in value.items()} if isinstance(value, dict) else None
