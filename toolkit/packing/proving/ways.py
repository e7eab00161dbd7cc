"""Ways of masking that trainers use, written here in their simplest form, to be audited.

    aligned                 ours: who wrote each character, asked of the template
    prefix difference       what a turn adds to the rendering of the turns before it
    response to instruction from each response header to the next instruction header, or the end
    last response           from the last response header to the end
    content search          each assistant content where it is next found, and the stop token after it

Each returns the rendering and the (start, end) of what it trains. They work on text where trainers
work on token ids, which is kind to them: headers that tokenize differently in context are found.
``transformers_way`` has the mask of a library, where that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.renderer import render
from toolkit.packing.chat.template import Template
from toolkit.packing.chat.turns import view, views
from toolkit.packing.proving.invariants import Bit, bits_of_runs
from toolkit.records.schema import MESSAGES

Messages = Sequence[Mapping[str, str | None]]
Spans = list[tuple[int, int]]
Way = Callable[[Template, Messages], Any]


def aligned(template: Template, messages: Messages) -> list[Bit]:
    """Ours: ``runs_of``. Raises ValueError for a fault."""
    runs = runs_of(pa.array([list(messages)], MESSAGES), template)
    if runs.faults:
        raise ValueError(": ".join(runs.faults[0]))
    return bits_of_runs(runs, 0, template.control)


def prefix_difference(template: Template, messages: Messages) -> tuple[str, Spans]:
    """Train what message i adds: between the rendering of [:i] with the prompt, and that of [:i + 1]."""
    seen = views(list(messages))
    text = render(template, seen)
    spans = []
    for i, message in enumerate(seen):
        if message["role"] == "assistant":
            start = len(render(template, seen[:i], generation=True))
            spans.append((start, max(start, len(render(template, seen[: i + 1])))))
    return text, spans


def response_to_instruction(template: Template, messages: Messages) -> tuple[str, Spans]:
    """Train from each response header to the next instruction header, as completion-only collators do."""
    text = render(template, views(list(messages)))
    instruction, response = headers(template)
    spans, at = [], 0
    while (found := text.find(response, at)) >= 0:
        start = found + len(response)
        end = text.find(instruction, start)
        spans.append((start, len(text) if end < 0 else end))
        at = spans[-1][1]
    return text, spans


def last_response(template: Template, messages: Messages) -> tuple[str, Spans]:
    """Train from the last response header to the end."""
    text = render(template, views(list(messages)))
    _, response = headers(template)
    found = text.rfind(response)
    return text, [(found + len(response), len(text))] if found >= 0 else []


def content_search(template: Template, messages: Messages) -> tuple[str, Spans]:
    """Train each assistant content where it is next found in the text, and the stop token if it follows."""
    text = render(template, views(list(messages)))
    stop = _between(template)[1]
    spans, at = [], 0
    for message in messages:
        content = message["content"] or ""
        found = text.find(content, at)
        if found < 0:
            continue
        end = found + len(content)
        if message["role"] == "assistant":
            spans.append((found, end + len(stop) if text.startswith(stop, end) else end))
        at = end
    return text, spans


def headers(template: Template) -> tuple[str, str]:
    """Return the instruction header and the response header, as a user of such a collator would copy them."""
    before = render(template, [view("user", "\ue000")]).split("\ue000")[0]
    return before.removeprefix(template.bos), _between(template)[0]


def _between(template: Template) -> tuple[str, str]:
    """Return what stands between a user's text and the answer less the user's stop, and the answer's stop."""
    text = render(template, [view("user", "\ue000"), view("assistant", "\ue001")])
    middle, after = text.split("\ue000")[1].split("\ue001")
    stops = [after.find(token) + len(token) for token in template.control if token in after]
    closing = [token for token in template.control if middle.startswith(token) and token in after]
    header = middle.removeprefix(closing[0]).removeprefix("\n") if closing else middle.rstrip(" ")
    return header, after[: min(stops)] if stops else ""


OURS = "aligned (toolkit)"
WAYS: dict[str, Way] = {
    OURS: aligned,
    "prefix difference": prefix_difference,
    "response to instruction": response_to_instruction,
    "last response only": last_response,
    "content search": content_search,
}
