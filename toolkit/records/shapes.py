"""The shapes a payload is recognised in, and the draft each gives. What fits none is never guessed.

A draft is the regime-free reading of a payload: the conversation before the answer, what
answers it, and what checks it. ``canonical`` then projects a draft onto a regime.
Each shape is recognised by its keys alone; the first that fits, in the order of SHAPES, wins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.records.messages import (
    Message,
    SchemaError,
    conversation,
    message,
    parse_messages,
    split_common,
    text,
)

MAP_FIELDS = ("messages", "prompt", "response", "chosen", "rejected", "answer")
RESPONSES = ("response", "completion", "output")
ANSWERS = ("answer", "ground_truth", "solution")

_NUMBER = re.compile(r"[-+$]?[\d,]*(?:\.\d+|(?<=\d))%?")


@dataclass(frozen=True)
class Draft:
    """A payload read without regard to regime; ``natural`` is the regime its shape suggests."""

    natural: str
    prompt: Sequence[Message] = ()
    response: Sequence[Message] = ()
    chosen: Sequence[Message] | None = None
    rejected: Sequence[Message] | None = None
    answer: str | None = None
    verifier: Mapping[str, str] | None = None


def recognise(payload: Mapping[str, Any], mapping: Mapping[str, Sequence[str]] | None = None) -> Draft:
    """Read ``payload`` by the source's ``map`` (canonical name -> field names), or by its shape.

    Raises SchemaError: ``schema.unrecognised`` when no shape fits, ``schema.missing_*`` or
    ``schema.wrong_type`` when one fits in part.
    """
    if mapping:
        payload = _mapped(payload, mapping)
    for keys, read in SHAPES:
        if all(key in payload for key in keys):
            return read(payload)
    raise _unrecognised(payload)


def final_answer(solution: str) -> str | None:
    """What follows the last ``####`` of a worked solution, or None."""
    return (solution.rpartition("####")[2].strip() or None) if "####" in solution else None


def _mapped(payload: Mapping[str, Any], mapping: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: payload[key] for key in ("verifier", "difficulty", "system") if key in payload
    }
    for name, fields in mapping.items():
        values = [value for value in (_dig(payload, field) for field in fields) if value is not _MISSING]
        if not values:
            has = ", ".join(map(str, payload)) or "no field"
            raise SchemaError(
                f"schema.missing_{name}", f"no field {' or '.join(fields)}; the record has {has}"
            )
        found[name] = next((value for value in values if value is not None), None)
    return found


_MISSING = object()


def _dig(payload: Any, field: str) -> Any:
    if isinstance(payload, Mapping) and field in payload:
        return payload[field]
    for step in field.split("."):
        if not isinstance(payload, Mapping) or step not in payload:
            return _MISSING
        payload = payload[step]
    return payload


def _messages(payload: Mapping[str, Any], key: str = "messages") -> Draft:
    turns = parse_messages(payload[key], key)
    if turns[0]["role"] != "system":
        turns = _system(payload) + turns
    last = max((i for i, turn in enumerate(turns) if turn["role"] == "assistant"), default=None)
    answer, verifier = _check_of(payload)
    natural = "rl" if verifier else "sft"
    if last is None or turns[-1]["role"] != "assistant":
        return Draft(natural, turns, (), answer=answer, verifier=verifier)
    return Draft(natural, turns[:last], turns[last:], answer=answer, verifier=verifier)


def _pair(payload: Mapping[str, Any]) -> Draft:
    chosen = conversation(payload["chosen"], "chosen", "assistant")
    rejected = conversation(payload["rejected"], "rejected", "assistant")
    shared = split_common(chosen, rejected)
    prompt = chosen[:shared]
    if chosen[0]["role"] == "assistant" and payload.get("prompt") is not None:
        prompt = _without_cue(conversation(payload["prompt"], "prompt", "user")) + prompt
    if prompt and prompt[0]["role"] != "system":
        prompt = _system(payload) + prompt
    return Draft("preference", prompt, (), chosen[shared:], rejected[shared:])


def _program(payload: Mapping[str, Any]) -> Draft:
    solution = text(payload["canonical_solution"], "canonical_solution")
    checks = {name: text(payload[name], name) for name in ("test", "entry_point")}
    return Draft(
        "rl",
        [message("user", text(payload["prompt"], "prompt"))],
        [message("assistant", solution)],
        answer=solution,
        verifier={"kind": "unit_test", "spec": _compact(checks)},
    )


def _instances(payload: Mapping[str, Any]) -> Draft:
    if not isinstance(payload["instances"], list) or not payload["instances"]:
        raise SchemaError("schema.wrong_type", "instances is not a list with at least one item")
    turns: list[Message] = []
    for i, item in enumerate(payload["instances"]):
        if not isinstance(item, Mapping) or "output" not in item:
            raise SchemaError("schema.missing_response", f"instances[{i}] has no output")
        turns += [_instruction_turn(payload, item), message("assistant", text(item["output"], "output"))]
    return Draft("sft", turns[:-1], turns[-1:])


def _instruction(payload: Mapping[str, Any]) -> Draft:
    return _answered(payload, [*_system(payload), _instruction_turn(payload, payload)])


def _question(payload: Mapping[str, Any]) -> Draft:
    answer, verifier = _check_of(payload)
    prompt = [*_system(payload), message("user", text(payload["question"], "question"))]
    if type(payload["answer"]) in (int, float):
        return Draft("rl", prompt, (), answer=answer, verifier=verifier)
    solution = text(payload["answer"], "answer")
    natural = "rl" if "verifier" in payload else "sft"
    return Draft(natural, prompt, [message("assistant", solution)], answer=answer, verifier=verifier)


def _prompt(payload: Mapping[str, Any]) -> Draft:
    return _answered(
        payload, _system(payload) + _without_cue(conversation(payload["prompt"], "prompt", "user"))
    )


def _answered(payload: Mapping[str, Any], prompt: list[Message]) -> Draft:
    field = next((name for name in RESPONSES if name in payload), None)
    answer, verifier = _check_of(payload)
    if field is None:
        if answer is None and verifier is None:
            raise SchemaError("schema.missing_response", f"none of {', '.join(RESPONSES + ANSWERS)} is there")
        return Draft("rl", prompt, (), answer=answer, verifier=verifier)
    response = conversation(payload[field], field, "assistant")
    if answer is None and isinstance(payload[field], str):
        answer = final_answer(payload[field])
        verifier = verifier or (_exact(answer) if answer else None)
    natural = "rl" if "verifier" in payload else "sft"
    return Draft(natural, prompt, response, answer=answer, verifier=verifier)


def _check_of(payload: Mapping[str, Any]) -> tuple[str | None, Mapping[str, str] | None]:
    """The answer and the verifier a payload declares: a ``####`` final counts as the answer."""
    value = next((payload[name] for name in ANSWERS if payload.get(name) is not None), None)
    stated = value if isinstance(value, str) else None if value is None else _compact(value)
    answer = (final_answer(stated) or stated) if stated is not None and stated.strip() else None
    declared = payload.get("verifier")
    if declared is None:
        return answer, _exact(answer) if answer is not None else None
    if isinstance(declared, str):
        return answer, {**_exact(answer or ""), "kind": declared}
    if isinstance(declared, Mapping) and isinstance(kind := declared.get("kind", declared.get("type")), str):
        rest = declared.get("spec", {k: v for k, v in declared.items() if k not in ("kind", "type")})
        return answer, {"kind": kind, "spec": rest if isinstance(rest, str) else _compact(rest)}
    raise SchemaError("schema.wrong_type", "verifier is neither a name nor an object with a kind")


def _exact(answer: str) -> dict[str, str]:
    compare = "number" if _NUMBER.fullmatch(answer) else "text"
    return {"kind": "exact_match", "spec": _compact({"compare": compare})}


def _instruction_turn(payload: Mapping[str, Any], item: Mapping[str, Any]) -> Message:
    said = text(payload["instruction"], "instruction")
    given = item.get("input")
    return message("user", f"{said}\n\n{text(given, 'input')}" if given not in (None, "") else said)


def _system(payload: Mapping[str, Any]) -> list[Message]:
    said = payload.get("system")
    return [] if said in (None, "") else [message("system", text(said, "system"))]


def _without_cue(prompt: list[Message]) -> list[Message]:
    """Drop the empty ``Assistant:`` cue at the end of a transcript used as a prompt."""
    return prompt[:-1] if len(prompt) > 1 and prompt[-1] == message("assistant", "") else prompt


def _unrecognised(payload: Mapping[str, Any]) -> SchemaError:
    near = [(keys, [key for key in keys if key not in payload]) for keys, _ in SHAPES]
    keys, missing = min(near, key=lambda item: (len(item[1]) / len(item[0]), len(item[1])))
    has = ", ".join(map(str, list(payload)[:12])) or "no field"
    nearest = f"the nearest known shape is {{{', '.join(keys)}}}, which lacks {', '.join(missing)}"
    return SchemaError("schema.unrecognised", f"the record has {has}; {nearest}")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


SHAPES: list[tuple[tuple[str, ...], Any]] = [
    (("chosen", "rejected"), _pair),
    (("messages",), _messages),
    (("conversations",), lambda payload: _messages(payload, "conversations")),
    (("prompt", "canonical_solution", "test", "entry_point"), _program),
    (("instruction", "instances"), _instances),
    (("instruction",), _instruction),
    (("question", "answer"), _question),
    (("prompt",), _prompt),
]
