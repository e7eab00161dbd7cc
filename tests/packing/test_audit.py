"""The audit finds what is planted, ours has nothing to find, and marks agree with alignment."""

import numpy as np
import pyarrow as pa
import pytest

from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.renderer import render
from toolkit.packing.chat.template import READY
from toolkit.packing.chat.turns import views
from toolkit.packing.proving.audit import audit, audit_masks, bits_of_text, summary, table
from toolkit.packing.proving.awkward import awkward
from toolkit.packing.proving.invariants import Bit, broken
from toolkit.packing.proving.marked import marked
from toolkit.packing.proving.masks import check_sequences
from toolkit.packing.proving.ways import WAYS, headers
from toolkit.records.schema import MESSAGES

from .conversations import message
from .oracle_templates import expected, seen

WANTED = [
    Bit(b"<s>", "<s>", False),
    Bit("né".encode(), None, True),
    Bit(b"</s>", "</s>", True),
    Bit(b"\n", None, False),
]


def names(seen_bits, **options):
    return [name for name, _ in broken(WANTED, seen_bits, **options)]


def changed(**changes):
    return [bit._replace(**changes.get(f"b{i}", {})) for i, bit in enumerate(WANTED)]


def test_what_is_right_breaks_nothing_however_it_is_cut():
    cut = [WANTED[0], Bit(b"n\xc3", None, True), Bit(b"\xa9", None, True), *WANTED[2:]]
    assert names(WANTED) == names(cut) == []


@pytest.mark.parametrize(
    ("bits", "invariants"),
    [
        (changed(b1={"trained": False}), ["untrained"]),
        (changed(b3={"trained": True}), ["leak"]),
        (changed(b0={"trained": True}), ["leak"]),
        (changed(b2={"trained": False}), ["stop"]),
        (changed(b1={"trained": False}, b2={"trained": False}), ["untrained", "stop", "nothing"]),
        (changed(b2={"control": None}), ["control"]),
        (changed(b3={"control": "\n"}), ["control"]),
        (changed(b1={"data": b"ne"}), ["text"]),
        ([WANTED[0], Bit(b"n\xc3", None, True), Bit(b"\xa9", None, False), *WANTED[2:]], ["untrained"]),
        (WANTED[:3], ["text"]),
    ],
)
def test_each_planted_fault_is_named(bits, invariants):
    assert names(bits) == invariants


@pytest.mark.parametrize("template", READY.values(), ids=READY)
def test_a_way_that_is_right_by_the_hand_written_formats_scores_clean(template):
    def way(template, messages):
        pieces = expected(template.name, messages)
        return [Bit(text.encode(), text if control else None, trained) for text, control, trained in pieces]

    score = audit(template, "by hand", way)
    assert (score.wrong, score.refused, score.examples) == (0, 0, {})
    assert score.conversations == len(awkward(template))


def test_ours_has_nothing_to_find_and_every_other_way_has():
    scores = audit_masks([READY["chatml"], READY["mistral"]])
    wrong = {way: sum(s.wrong for s in scores if s.way == way) for way in WAYS}
    assert wrong.pop("aligned (toolkit)") == 0
    assert all(wrong.values())
    assert all(f"| {way} |" in text for text in (table(scores), summary(scores)) for way in WAYS)


def test_a_way_that_refuses_is_counted_apart():
    def way(template, messages):
        raise ValueError("no")

    score = audit(READY["qwen"], "refuses", way)
    assert (score.refused, score.wrong) == (score.conversations, 0)


def test_the_line_end_after_a_stop_is_told_from_other_leaks():
    def way(template, messages):
        text = render(template, views(messages))
        start = text.index("b<|im_end|>")
        return text, [(start, len(text))]

    talk = {"a": [message("user", "a"), message("assistant", "b")]}
    score = audit(READY["chatml"], "to the end", way, talk)
    assert (score.wrong, score.line_end, score.invariants["leak"]) == (1, 1, 1)


def test_a_control_token_is_never_cut_by_a_span_of_text():
    assert bits_of_text("a<b>c", [(2, 5)], ["<b>"])[1].data == b"<b>"


def test_headers_are_what_a_user_would_copy():
    assert headers(READY["llama-3"]) == tuple(
        f"<|start_header_id|>{role}<|end_header_id|>\n\n" for role in ("user", "assistant")
    )


@pytest.mark.parametrize("template", READY.values(), ids=READY)
def test_a_ready_template_with_marks_gives_the_same_text_and_agrees_with_them(template):
    other = marked(template.name)
    assert other.has_marks and not template.has_marks
    rows = pa.array(list(awkward(template).values()), MESSAGES)
    runs = runs_of(rows, other)
    assert runs.faults == {}
    for i, messages in enumerate(awkward(template).values()):
        assert seen(runs, i, template.control) == expected(template.name, messages)


def test_ids_are_checked_beside_their_runs():
    template = READY["chatml"]
    rows = pa.array([[message("user", "é"), message("assistant", "ok")], [message("user", "x")]], MESSAGES)
    runs = runs_of(rows, template)
    ids, masks = [], []
    for i in range(2):
        ids.append([])
        masks.append([])
        for text, control, trained in seen(runs, i, template.control):
            numbers = [256 + template.control.index(text)] if control else list(text.encode())
            ids[-1] += numbers
            masks[-1] += [trained] * len(numbers)

    def check(ids, masks):
        found = check_sequences(
            runs,
            pa.array(ids),
            pa.array(masks),
            lambda numbers: [bytes([n]) if n < 256 else b"" for n in numbers],
            [256, 257, 258],
            template,
        )
        return {i: [name for name, _ in faults] for i, faults in found.items()}

    assert check(ids, masks) == {1: ["nothing"]}
    flipped = [np.logical_not(m).tolist() for m in masks]
    assert check(ids, flipped) == {0: ["untrained", "leak", "stop"], 1: ["leak"]}
    assert check([ids[0][:-1], ids[1]], [masks[0][:-1], masks[1]])[0] == ["text"]
