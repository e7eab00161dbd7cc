"""Which characters of a rendered conversation are control tokens, and which the assistant must learn.

Nothing here is searched for in the text. ``trace`` says who wrote each character, so

    control   the template's own characters that spell one of its control tokens
    turn      from the end of the assistant's header through the control token that stops it

The header ends where ``add_generation_prompt`` would have let the model speak: the rendering of
the messages before, with the prompt, is a prefix of the whole. Where a template rewrites the past
so that it is none, the header's text is taken from the difference that the prompt makes;
where there is no such thing either, the turn begins with the first character the message gave.
The stop is the token that closes a plain answer, learned from a probe, or else the last control
token of the turn. Tags of tool calls lie between, and are trained with it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from toolkit.packing.chat.renderer import Trace, render, trace
from toolkit.packing.chat.sandbox import TemplateFault
from toolkit.packing.chat.template import Template
from toolkit.packing.chat.traced import TEMPLATE
from toolkit.packing.chat.turns import View, view

NOT_TRAINED = -1


@dataclass(frozen=True)
class Piece:
    """Characters ``start`` to ``end`` of a rendering.

    ``control``: index into the template's control tokens, -1 for text. ``turn``: the assistant message
    that it belongs to, trained with it, or -1.
    """

    start: int
    end: int
    control: int
    turn: int


def align(
    template: Template, messages: Sequence[View], *, generation: bool = False
) -> tuple[Trace, list[Piece]]:
    """Cut a conversation's rendering into pieces: where control tokens and trained turns begin and end.

    ``messages``: ``turns.views``. The pieces cover the text, in order, none empty.
    Raises TemplateFault: what ``render`` raises; ``template.unaligned`` when a turn
    cannot be found; ``template.unclosed`` when no control token stops it; ``template.marks_differ``
    when the template's own ``{% generation %}`` marks say otherwise (see ``marks_difference``).
    """
    plain = render(template, messages, generation=generation)
    traced = trace(template, messages, generation=generation)
    if plain != traced.text:
        raise TemplateFault("template.unaligned", _first_difference(plain, traced.text))
    tokens = list(control_tokens(template, traced))
    turns = {i: _turn(template, messages, i, traced, tokens) for i in _assistants(messages)}
    if template.has_marks and (found := marks_difference(traced, tokens, list(turns.values()))):
        raise TemplateFault("template.marks_differ", found)
    return traced, _pieces(len(traced.text), tokens, turns)


def control_tokens(template: Template, traced: Trace) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, index) of the control tokens that the template wrote, the longest first."""
    if not template.control:
        return
    longest = sorted(template.control, key=len, reverse=True)
    find = re.compile("|".join(map(re.escape, longest)))
    index = {token: number for number, token in enumerate(template.control)}
    for start, end in _written(traced):
        for match in find.finditer(traced.text, start, end):
            yield *match.span(), index[match.group()]


def marks_difference(
    traced: Trace, tokens: Sequence[tuple[int, int, int]], turns: Sequence[tuple[int, int]]
) -> str | None:
    """Say where a template's own marks and the aligned turns differ; None if they agree.

    Templates differ in whether a mark holds the stop token and the line end after it. Both are
    accepted: the stop token is always trained, what the template writes after it never.
    """
    ends = {end: start for start, end, _ in tokens}
    ours = [[start, ends.get(end, end)] for start, end in turns]
    theirs = []
    for start, end in traced.marked:
        text = traced.text[start:end]
        end = start + len(text.rstrip()) if ends.get(start + len(text.rstrip())) is not None else end
        theirs.append([start, max(ends.get(end, end), start)])
    ours, theirs = ([span for span in spans if span[0] < span[1]] for spans in (ours, _merged(theirs)))
    if ours == theirs:
        return None
    number = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if number is None:
        return f"the template marks {len(theirs)} turns of the assistant, and {len(ours)} have text"
    (a, b), (c, d) = ours[number], theirs[number]
    return f"turn {number} is {traced.text[a:b]!r:.200} and the template marks {traced.text[c:d]!r:.200}"


def _merged(spans: list[list[int]]) -> list[list[int]]:
    """Join spans that touch: a template may mark content and tool calls one after the other."""
    out: list[list[int]] = []
    for start, end in spans:
        if out and out[-1][1] == start:
            out[-1][1] = end
        else:
            out.append([start, end])
    return out


def _assistants(messages: Sequence[View]) -> list[int]:
    return [i for i, message in enumerate(messages) if message["role"] == "assistant"]


def _first_difference(wanted: str, found: str) -> str:
    pairs = zip(wanted, found, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(wanted), len(found)))
    return (
        f"from character {at} on, {wanted[at : at + 40]!r} is rendered and {found[at : at + 40]!r} "
        "once the contents are traced"
    )


def _starts(traced: Trace) -> list[int]:
    return [0, *traced.ends[:-1]][: len(traced.ends)]


def _written(traced: Trace) -> Iterator[tuple[int, int]]:
    """Yield the longest stretches that the template wrote itself."""
    start = None
    for at, source in zip(_starts(traced), traced.sources, strict=True):
        if source == TEMPLATE and start is None:
            start = at
        elif source != TEMPLATE and start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, len(traced.text)


def _extent(traced: Trace, belongs: Sequence[bool]) -> tuple[int, int] | None:
    """From the first to the last character of the stretches chosen."""
    chosen = [i for i, mine in enumerate(belongs) if mine]
    return (_starts(traced)[chosen[0]], traced.ends[chosen[-1]]) if chosen else None


def _turn(
    template: Template,
    messages: Sequence[View],
    i: int,
    traced: Trace,
    tokens: Sequence[tuple[int, int, int]],
) -> tuple[int, int]:
    """Where the trained part of assistant message i starts and ends."""
    mine = {i + 1, i + 1 + len(messages)}
    said = _extent(traced, [source in mine for source in traced.sources])
    loop = _extent(traced, [turn == i for turn in traced.turns])
    if said is None and loop is None:
        raise TemplateFault("template.unaligned", f"message {i} is nowhere in the rendering")
    start = _start(template, messages, i, traced.text, said, loop)
    done = max(start, said[1]) if said else start
    stop = _stop(_stops(template), tokens, done, loop)
    if stop is None:
        raise TemplateFault(
            "template.unclosed",
            f"no control token stops message {i}: after it the template writes "
            f"{traced.text[done : done + 40]!r}; its control tokens are {template.control}",
        )
    first, last = bisect_right(traced.ends, start), bisect_right(traced.ends, stop - 1)
    others = set(traced.sources[first : last + 1]) - mine - {TEMPLATE}
    if others:
        raise TemplateFault(
            "template.unaligned",
            f"message {i} would be {traced.text[start:stop]!r:.200}, and other messages speak in it",
        )
    return start, stop


def _start(
    template: Template,
    messages: Sequence[View],
    i: int,
    text: str,
    said: tuple[int, int] | None,
    loop: tuple[int, int] | None,
) -> int:
    low, high = loop[0] if loop else 0, said[0] if said else loop[1]
    try:
        prompt = render(template, messages[:i], generation=True)
        if text.startswith(prompt) and low <= len(prompt) <= high:
            return len(prompt)
        header = prompt.removeprefix(render(template, messages[:i]))
    except TemplateFault:
        header = _header(template)
    if loop and header and text.startswith(header, low) and low + len(header) <= high:
        return low + len(header)
    if said is None:
        raise TemplateFault(
            "template.unaligned", f"message {i} is empty, and its header does not end as the prompt does"
        )
    return said[0]


def _stop(
    stops: frozenset[int],
    tokens: Sequence[tuple[int, int, int]],
    done: int,
    loop: tuple[int, int] | None,
) -> int | None:
    """Where the control token that stops a turn ends; ``done``: where the message's own text does."""
    after = [token for token in tokens if token[0] >= done]
    inside = [token for token in after if loop and token[1] <= loop[1]]
    for start, end, index in [*inside, *after[:1]]:
        if index in stops or (not stops and start == done):
            return end
    return inside[-1][1] if inside else None


@lru_cache(maxsize=256)
def _stops(template: Template) -> frozenset[int]:
    """Control tokens that close a plain answer."""
    messages = [view("user", "a"), view("assistant", "b")]
    try:
        traced = trace(template, messages)
    except TemplateFault:
        return frozenset()
    said = _extent(traced, [source == 2 for source in traced.sources])
    after = [index for start, _, index in control_tokens(template, traced) if said and start >= said[1]]
    return frozenset(after[:1])


@lru_cache(maxsize=256)
def _header(template: Template) -> str:
    """What ``add_generation_prompt`` adds after a user's message."""
    messages = [view("user", "a")]
    try:
        return render(template, messages, generation=True).removeprefix(render(template, messages))
    except TemplateFault:
        return ""


def _pieces(
    length: int, tokens: Sequence[tuple[int, int, int]], turns: dict[int, tuple[int, int]]
) -> list[Piece]:
    control = {start: index for start, _, index in tokens}
    edges = {0, length, *(edge for start, end, _ in tokens for edge in (start, end))}
    edges = sorted(edges.union(*turns.values()))
    spans = sorted((start, end, i) for i, (start, end) in turns.items())
    if any(a[1] > b[0] for a, b in pairwise(spans)):
        raise TemplateFault("template.unaligned", "two turns of the assistant overlap")
    out, at = [], 0
    for start, end in pairwise(edges):
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        inside = at < len(spans) and spans[at][0] <= start
        out.append(Piece(start, end, control.get(start, -1), spans[at][2] if inside else NOT_TRAINED))
    return out
