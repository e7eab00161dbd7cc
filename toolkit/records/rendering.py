"""The texts a record is judged by.

Two records are compared on what a model would learn from them: user, assistant and tool
turns, in order, one to a line. System prompts are left out: a template shared by a whole
source would otherwise make chats on different topics look alike, and remove them. A
preference pair is one text (prompt, chosen, rejected), so it goes or stays whole; an rl
record is compared on its prompt. Decontamination searches every field instead (``fields``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CONVERSATIONS = ("messages", "prompt", "chosen", "rejected")


def compared_text(record: Mapping[str, Any]) -> str:
    """The text near-duplicates are judged on."""
    return "\n".join(_turns(record, skip_system=True))


def every_text(record: Mapping[str, Any]) -> str:
    """All text of the record, system prompts, answer and tests included, one field to a line."""
    return "\n".join([*_turns(record, skip_system=False), *beside_turns(record)])


def beside_turns(record: Mapping[str, Any]) -> list[str]:
    """The texts of a record that are no one's turn: the answer and the tests, where there are any."""
    verifier = record.get("verifier") or {}
    tests = verifier.get("spec") if verifier.get("kind") != "exact_match" else None
    return [text for text in (record.get("answer"), tests) if text]


def _turns(record: Mapping[str, Any], skip_system: bool) -> Iterator[str]:
    for name in CONVERSATIONS:
        for turn in record.get(name) or ():
            if skip_system and turn["role"] == "system":
                continue
            yield turn["content"]
            if turn["tool_calls"] is not None:
                yield turn["tool_calls"]
