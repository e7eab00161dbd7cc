"""Messages from the forms they arrive in: OpenAI style, ShareGPT style, and transcripts.

Content is kept verbatim; only role names are translated. Content given as a list of
text parts is joined; any other part (an image, say) is an error, not a silent loss.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
_TURN = re.compile(r"\n\n(Human|Assistant):")


class SchemaError(Exception):
    """A payload is not a record of the wanted kind; ``reason`` is a stable quarantine code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def message(role: str, content: str, tool_calls: str | None = None) -> Message:
    """One message of the canonical schema."""
    return {"role": role, "content": content, "tool_calls": tool_calls}


def text(value: Any, field: str) -> str:
    """``value`` if it is a string, else SchemaError ``schema.wrong_type``."""
    if not isinstance(value, str):
        raise SchemaError("schema.wrong_type", f"{field} is {_kind(value)}, expected text")
    return value


def parse_messages(value: Any, field: str = "messages") -> list[Message]:
    """Messages from a list of {role, content} or {from, value} objects."""
    if not isinstance(value, list) or not value:
        raise SchemaError("schema.wrong_type", f"{field} is {_kind(value)}, expected a list of messages")
    return [_parse_one(item, f"{field}[{i}]") for i, item in enumerate(value)]


def parse_transcript(value: str) -> list[Message] | None:
    """Messages from ``\\n\\nHuman: …\\n\\nAssistant: …``; None when ``value`` is not of that form.

    Joining the turns again with their markers gives ``value`` back, but for the one space that
    may follow a colon.
    """
    if not _TURN.match(value):
        return None
    pieces = _TURN.split(value)
    turns = zip(pieces[1::2], pieces[2::2], strict=True)
    return [message("user" if who == "Human" else "assistant", said.removeprefix(" ")) for who, said in turns]


def conversation(value: Any, field: str, role: str) -> list[Message]:
    """Messages from whatever holds a side of a pair: a list, a transcript, or one text by ``role``."""
    if isinstance(value, list):
        return parse_messages(value, field)
    if isinstance(value, dict) and ("role" in value or "from" in value):
        return [_parse_one(value, field)]
    said = text(value, field)
    return parse_transcript(said) or [message(role, said)]


def split_common(chosen: Sequence[Message], rejected: Sequence[Message]) -> int:
    """How many leading messages two conversations share, leaving each side an assistant turn."""
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and chosen[shared]["role"] != "assistant":
        shared -= 1
    return shared


def _parse_one(item: Any, field: str) -> Message:
    if not isinstance(item, dict):
        raise SchemaError("schema.wrong_type", f"{field} is {_kind(item)}, expected a message object")
    name, said = ("from", "value") if "from" in item and "role" not in item else ("role", "content")
    role = item.get(name)
    if not isinstance(role, str) or role.lower() not in _ROLES:
        raise SchemaError("schema.bad_role", f"{field}.{name} is {role!r}, expected one of {sorted(_ROLES)}")
    calls = item.get("tool_calls") or _legacy_call(item.get("function_call"))
    if said not in item and calls is None:
        raise SchemaError("schema.missing_content", f"{field} has no {said!r}")
    return message(_ROLES[role.lower()], _content(item.get(said), calls, f"{field}.{said}"), _calls(calls))


def _legacy_call(call: Any) -> Any:
    """The older ``function_call`` as a list of tool calls."""
    return [{"type": "function", "function": call}] if call else None


def _content(value: Any, calls: Any, field: str) -> str:
    if value is None and calls is not None:
        return ""
    if isinstance(value, list):
        return "".join(_part(part, f"{field}[{i}]") for i, part in enumerate(value))
    return text(value, field)


def _part(part: Any, field: str) -> str:
    if isinstance(part, dict) and part.get("type") == "text":
        return text(part.get("text"), f"{field}.text")
    raise SchemaError("schema.wrong_type", f"{field} is not a text part; only text is understood")


def _calls(calls: Any) -> str | None:
    return None if calls is None else json.dumps(calls, ensure_ascii=False, separators=(",", ":"))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), f"a number ({value})" if isinstance(value, int | float) else "nothing")
