"""Score ways of masking on awkward conversations: which invariants break, on how many.

    way(messages)  ->  the rendered text and the spans trained     (characters)
                   or  token ids and a mask                         (with ``spell`` and ``control``)
                   or  bits                                         (``invariants.Bit``)

A way that gives text and spans is tokenized as trainers do it: a spelled control token becomes
that token wherever it stands, whoever wrote it. A way that raises has refused the conversation;
refusing is no fault of the mask, and is counted beside. What should be comes from ``runs_of``, which
the tests hold against a description of each format that shares no code with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa

from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.template import READY, Template
from toolkit.packing.proving.awkward import awkward
from toolkit.packing.proving.invariants import INVARIANTS, Bit, bits_of_runs, broken
from toolkit.packing.proving.ways import WAYS, Way
from toolkit.records.schema import MESSAGES

Conversation = list[dict[str, str | None]]


@dataclass(frozen=True)
class Score:
    """How one way of masking did with one template: counts of conversations."""

    template: str
    way: str
    conversations: int
    refused: int
    wrong: int  # with at least one invariant broken
    line_end: int  # of these, with nothing wrong but white space that the template writes after a stop
    invariants: Mapping[str, int]  # broken, by name
    examples: Mapping[str, str] = field(
        repr=False, default_factory=dict
    )  # invariant -> first case and detail


def audit_masks(
    templates: Iterable[Template] | None = None, ways: Mapping[str, Way] | None = None
) -> list[Score]:
    """Score every way of masking on every template; by default all ready templates and ``ways.WAYS``.

    A way is called as ``way(template, messages)``, messages as canonical mappings.
    """
    templates = READY.values() if templates is None else templates
    ways = WAYS if ways is None else ways
    return [audit(template, name, way) for template in templates for name, way in ways.items()]


def audit(
    template: Template, name: str, way: Way, conversations: Mapping[str, Conversation] | None = None
) -> Score:
    """Score one way on one template, on the awkward conversations unless others are given by name."""
    cases = awkward(template) if conversations is None else conversations
    runs = runs_of(pa.array(list(cases.values()), MESSAGES), template)
    refused, wrong, line_end, counts, examples = 0, 0, 0, Counter(), {}
    for number, (case, messages) in enumerate(cases.items()):
        if number in runs.faults:
            continue
        try:
            result = way(template, messages)
        except Exception as error:
            refused += 1
            examples.setdefault("refused", f"{case}: {error}"[:300])
            continue
        needs = any(message["role"] == "assistant" for message in messages)
        wanted = bits_of_runs(runs, number, template.control)
        seen = _bits(result, [*template.control, template.bos, template.eos])
        found = list(broken(wanted, seen, needs_training=needs))
        wrong += bool(found)
        line_end += bool(found) and not any(broken(wanted, _without_line_ends(seen), needs_training=needs))
        counts.update(invariant for invariant, _ in found)
        for invariant, detail in found:
            examples.setdefault(invariant, f"{case}: {detail}")
    judged = len(cases) - len(runs.faults)
    return Score(
        template.name, name, judged, refused, wrong, line_end, {i: counts[i] for i in INVARIANTS}, examples
    )


def _without_line_ends(bits: Sequence[Bit]) -> list[Bit]:
    """Leave white space after a control token untrained."""
    out: list[Bit] = []
    for bit in bits:
        bare = bit.data.lstrip()
        if out and out[-1].control and bit.control is None and bit.trained and bare != bit.data:
            out.append(bit._replace(data=bit.data[: len(bit.data) - len(bare)], trained=False))
            bit = bit._replace(data=bare)
        out.append(bit)
    return out


def _bits(result: object, control: Sequence[str]) -> list[Bit]:
    if isinstance(result, list):
        return result
    text, spans = result
    return bits_of_text(text, spans, [token for token in dict.fromkeys(control) if token])


def bits_of_text(text: str, spans: Iterable[tuple[int, int]], control: Sequence[str]) -> list[Bit]:
    """Return rendered text with trained spans as bits, control tokens found wherever they are spelled."""
    tokens = re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True))) or r"(?!)")
    edges = {0, len(text), *(edge for span in spans for edge in span)}
    places = {match.start(): match for match in tokens.finditer(text)}
    for match in places.values():
        edges -= set(range(match.start() + 1, match.end()))  # no mask cuts a token
        edges |= set(match.span())
    inside = sorted(spans)
    out = []
    ordered = sorted(edges)
    for start, end in pairwise(ordered):
        trained = any(a <= start < b for a, b in inside)
        out.append(Bit(text[start:end].encode(), places[start].group() if start in places else None, trained))
    return out


def table(scores: Sequence[Score]) -> str:
    """Return scores as a Markdown table; the cells of invariants are conversations that break them."""
    head = ["template", "way of masking", "conversations", "refused", *INVARIANTS, "any", "but for line ends"]
    lines = [head, ["---"] * len(head)]
    for s in scores:
        counts = [
            s.conversations,
            s.refused,
            *(s.invariants[i] for i in INVARIANTS),
            s.wrong,
            s.wrong - s.line_end,
        ]
        lines.append([s.template, s.way, *(str(n) if n else "·" for n in counts)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(scores: Sequence[Score]) -> str:
    """Return one line a way over all templates, as a Markdown table."""
    ways = dict.fromkeys(score.way for score in scores)
    total = []
    for way in ways:
        mine = [score for score in scores if score.way == way]
        counts: Callable[[str], int] = lambda i, mine=mine: sum(s.invariants[i] for s in mine)  # noqa: E731
        sums = (sum(getattr(s, f) for s in mine) for f in ("conversations", "refused", "wrong", "line_end"))
        total.append(Score("all", way, *sums, {i: counts(i) for i in INVARIANTS}))
    return table(total)
