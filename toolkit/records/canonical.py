"""From a payload's bytes to a canonical record of the wanted regime.

    payload bytes -> decoded object -> draft (shape) -> record (regime)

Each arrow can refuse with a SchemaError whose reason is a stable quarantine code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from toolkit.records.messages import Message, SchemaError
from toolkit.records.shapes import Draft, recognise

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_decode = msgspec.json.Decoder().decode


def decode_payload(payload: bytes) -> dict[str, Any]:
    """The object in ``payload``; SchemaError ``text.lone_surrogate`` when its text cannot be UTF-8."""
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, ValueError):
        value = json.loads(payload, parse_int=_integer)
        found = _SURROGATE.search(json.dumps(value, ensure_ascii=False))
        if found is None:
            return value
        code = f"U+{ord(found.group()):04X}"
        raise SchemaError("text.lone_surrogate", f"{code} stands alone: the text cannot be UTF-8") from None


def _integer(digits: str) -> int | str:
    # Python refuses to convert beyond 4,300 digits, so such a number stays text.
    return int(digits) if len(digits) <= 4300 else digits


def _fits_float32(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 3.4e38


def canonical(
    payload: Mapping[str, Any], regime: str, mapping: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The regime's fields of the canonical schema, as a dict; ``auto`` takes the shape's own regime.

    Raises SchemaError when the payload lacks what the regime needs.
    """
    draft = recognise(payload, mapping)
    wanted = draft.natural if regime == "auto" else regime
    record = {"sft": _sft, "preference": _preference, "rl": _rl}[wanted](draft)
    difficulty, lang = payload.get("difficulty"), payload.get("lang", payload.get("language"))
    record["regime"] = wanted
    record["difficulty"] = float(difficulty) if _fits_float32(difficulty) else None
    record["lang"] = lang if isinstance(lang, str) else None
    return record


def _sft(draft: Draft) -> dict[str, Any]:
    if draft.chosen is not None:
        raise SchemaError("schema.wrong_regime", "a preference pair in a source declared sft")
    turns = [*draft.prompt, *draft.response]
    said = [turn for turn in turns if turn["role"] == "assistant"]
    if not said:
        raise SchemaError("schema.missing_response", "no assistant message to learn from")
    if _blank(said[-1]):
        raise SchemaError("schema.empty_response", "the last assistant message is empty")
    _need_user(turns)
    return {"messages": turns, "answer": draft.answer, "verifier": draft.verifier}


def _preference(draft: Draft) -> dict[str, Any]:
    if draft.chosen is None or draft.rejected is None:
        raise SchemaError("schema.missing_chosen", "a preference record needs chosen and rejected")
    for name, side in (("chosen", draft.chosen), ("rejected", draft.rejected)):
        if not side or side[0]["role"] != "assistant":
            raise SchemaError("schema.missing_response", f"{name} does not answer with an assistant message")
    if all(_blank(turn) for turn in (*draft.chosen, *draft.rejected)):
        raise SchemaError("schema.empty_response", "chosen and rejected are both empty")
    _need_user(draft.prompt)
    return {"prompt": list(draft.prompt), "chosen": list(draft.chosen), "rejected": list(draft.rejected)}


def _rl(draft: Draft) -> dict[str, Any]:
    if draft.chosen is not None:
        raise SchemaError("schema.wrong_regime", "a preference pair in a source declared rl")
    if draft.verifier is None:
        raise SchemaError("schema.missing_answer", "an rl record needs an answer or a verifier")
    _need_user(draft.prompt)
    return {"prompt": list(draft.prompt), "answer": draft.answer, "verifier": draft.verifier}


def _need_user(turns: Sequence[Message]) -> None:
    if not any(turn["role"] == "user" and turn["content"].strip() for turn in turns):
        raise SchemaError("schema.empty_prompt", "no user message with text")


def _blank(turn: Message) -> bool:
    return not turn["content"].strip() and turn["tool_calls"] is None
