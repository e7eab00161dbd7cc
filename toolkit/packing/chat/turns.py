"""Messages as chat templates expect them: what is null becomes empty, tool calls become data.

A canonical message keeps tool calls as JSON text, templates walk through a list of
``{"type": "function", "function": {"name": ..., "arguments": {...}}}``. Sources write that with and
without the outer object, one call or a list, arguments as an object or as JSON text once more;
all of these are read; a call without arguments has none, ``{}``. What cannot be read without loss
stays text: other JSON, repeated keys, numbers that would be written otherwise, half surrogates.
``tool_calls_text`` is always the source's own text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.packing.chat.sandbox import TemplateFault
from toolkit.records.schema import ROLES

View = dict[str, Any]
# a template that asks whether calls are text; any other would walk through their characters
_READS_TEXT = re.compile(r"tool_calls_text|tool_calls(?:['\"]\])?\s+is\s+(?:not\s+)?string")


def view(role: str, content: str | None, tool_calls: str | None = None) -> View:
    """Return one message as templates see it: role, content, and if it has calls, these twice."""
    seen = {"role": role, "content": content or ""}
    if tool_calls:
        calls = parsed_calls(tool_calls)
        seen |= {"tool_calls": tool_calls if calls is None else calls, "tool_calls_text": tool_calls}
    return seen


def views(messages: list[Mapping[str, str | None]]) -> list[View]:
    """Return a conversation of canonical messages as templates see it."""
    return [view(m["role"], m["content"], m.get("tool_calls")) for m in messages]


def check_turns(source: str, messages: Sequence[View]) -> None:
    """Raise TemplateFault for a role that is none of ours, or calls that the template cannot read."""
    for number, message in enumerate(messages):
        if message["role"] not in ROLES:
            detail = f"message {number} has the role {message['role']!r}; expected {', '.join(ROLES)}"
            raise TemplateFault("template.role", detail)
        if isinstance(message.get("tool_calls"), str) and not _READS_TEXT.search(source):
            detail = (
                f"the tool calls of message {number} are no list of calls with name and arguments, which "
                f"this template expects: {message['tool_calls']!r:.200}"
            )
            raise TemplateFault("template.calls", detail)


def parsed_calls(text: str) -> list[dict] | None:
    """Read tool calls from JSON text, in the form above; None if that would lose anything."""
    try:
        value = _load(text)
        return [_call(item) for item in (value if isinstance(value, list) else [value])] or None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _call(item: Any) -> dict:
    item = dict(item)
    if "function" not in item:
        item = {"type": "function", "function": item}
    function = dict(item["function"])
    if not isinstance(function["name"], str):
        raise TypeError("a call's name is not text")
    arguments = function.get("arguments", function.pop("parameters", None))
    if isinstance(arguments, str):
        arguments = _arguments(arguments)
    return {**item, "function": {**function, "arguments": {} if arguments is None else arguments}}


def _arguments(text: str) -> Any:
    try:
        value = _load(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _load(text: str) -> Any:
    value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_number)
    json.dumps(value, ensure_ascii=False).encode()  # a half surrogate raises UnicodeEncodeError
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _number(text: str) -> float:
    if repr(float(text)) != text:
        raise ValueError(f"{text} would be written {float(text)!r}")
    return float(text)
