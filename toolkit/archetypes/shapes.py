"""The shapes in which the world writes examples down: one small function a shape.

Each takes a ``Sample`` and returns the fields that carry its text; the archetypes add their own
metadata around them.
"""

from __future__ import annotations

from typing import Any

from toolkit.archetypes.sample import Sample

SINGLE = ("user", "assistant")
TOOLS = ("user", "call", "tool", "assistant")
PAIR = ("prompt", "chosen", "rejected")
LONG_PAIR = ("user", "assistant", *PAIR)
PROBLEM = ("prompt", "answer", "rationale")
TASK = ("doc", "answer")

_OPENAI = {"call": "assistant", "input": "user"}
_SHAREGPT = {"user": "human", "assistant": "gpt", "call": "gpt", "system": "system", "tool": "tool"}
_TOOLS = ("search_orders", "get_weather", "run_sql", "calculate", "lookup_account")
_VERIFIERS = (
    "exact_match",
    {"kind": "numeric", "spec": "tolerance=1e-6"},
    "exact_match",
    {"kind": "regex", "spec": r"^\s*-?\d+\s*$"},
)


def messages(sample: Sample) -> dict[str, Any]:
    """``messages`` in the manner of OpenAI, with tool calls where the roles have a call."""
    rows = []
    for role, text in zip(sample.roles, sample.texts, strict=True):
        row: dict[str, Any] = {"role": _OPENAI.get(role, role), "content": text}
        if role == "call":
            row["tool_calls"] = [_tool_call(sample.key)]
        elif role == "tool":
            row["tool_call_id"] = f"call_{sample.key >> 32:08x}"
        rows.append(row)
    return {"messages": rows}


def _tool_call(key: int) -> dict[str, Any]:
    name = _TOOLS[(key >> 16) % len(_TOOLS)]
    arguments = f'{{"id": {(key >> 24) % 10**7}}}'
    return {
        "id": f"call_{key >> 32:08x}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def conversations(sample: Sample) -> dict[str, Any]:
    """``conversations`` of ``from`` and ``value``."""
    rows = zip(sample.roles, sample.texts, strict=True)
    return {"conversations": [{"from": _SHAREGPT[role], "value": text} for role, text in rows]}


def instruction(sample: Sample) -> dict[str, Any]:
    """``instruction``, ``input`` (may be empty), ``output``."""
    context = sample.texts[1] if len(sample.texts) == 3 else ""
    return {"instruction": sample.texts[0], "input": context, "output": sample.texts[-1]}


def instances(sample: Sample) -> dict[str, Any]:
    """An instruction with a list of one instance."""
    context = sample.texts[1] if len(sample.texts) == 3 else ""
    return {"instruction": sample.texts[0], "instances": [{"input": context, "output": sample.texts[-1]}]}


def pair(sample: Sample) -> dict[str, Any]:
    """``prompt``, ``chosen``, ``rejected``, as strings."""
    prompt, chosen, rejected = sample.texts
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def transcripts(sample: Sample) -> dict[str, Any]:
    """``chosen`` and ``rejected`` as whole transcripts, without a prompt."""
    names = ("\n\nHuman: ", "\n\nAssistant: ")
    shared = "".join(names[i % 2] + text for i, text in enumerate(sample.texts[:-2]))
    chosen, rejected = sample.texts[-2:]
    return {"chosen": shared + names[1] + chosen, "rejected": shared + names[1] + rejected}


def solved(sample: Sample) -> dict[str, Any]:
    """``question`` and ``answer``, worked out and closed by ``#### final``."""
    question, answer, rationale = sample.texts
    return {"question": question, "answer": f"{rationale}\n#### {answer}"}


def verifiable(sample: Sample, key: str) -> dict[str, Any]:
    """``prompt``, the answer under ``key``, ``verifier`` and ``difficulty`` in [0, 1)."""
    return {
        "prompt": sample.texts[0],
        key: sample.texts[1],
        "verifier": _VERIFIERS[(sample.key >> 12) % len(_VERIFIERS)],
        "difficulty": (sample.key >> 40) % 1000 / 1000,
    }


def task(sample: Sample) -> dict[str, Any]:
    """A coding task with the keys of HumanEval; the name of the function comes from the key."""
    name = f"task_{sample.key >> 40:x}"
    answer = sample.texts[1]
    return {
        "task_id": f"train/{sample.key >> 44}",
        "prompt": f'def {name}(values):\n    """{sample.texts[0]}"""\n',
        "canonical_solution": f"    return sum(values) + {answer}\n",
        "test": f"def check(candidate):\n    assert candidate([]) == {answer}\n",
        "entry_point": name,
    }
