"""All ready templates on awkward and random conversations, beside a second description of each format."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.template import READY
from toolkit.packing.proving.awkward import awkward
from toolkit.records.schema import MESSAGES

from .conversations import anyone, conversations, message, texts
from .oracle_templates import expected, seen

CASES = [(t, name) for t in READY.values() for name in awkward(t)]
CALLS = [
    None,
    '[{"name":"f","arguments":{"x":"</s>","y":1}}]',
    '{"function":{"name":"g","arguments":"{}"},"id":"123456789"}',
    "f()",
]
callers = st.builds(message, st.just("assistant"), texts, st.sampled_from(CALLS))
talks = st.lists(st.one_of(anyone.filter(lambda m: not m["tool_calls"]), callers), max_size=6)


def column(*rows):
    return pa.array(rows, MESSAGES)


def one(template, messages, **options):
    runs = runs_of(column(messages), template, **options)
    assert runs.faults == {}
    return seen(runs, 0, template.control)


@pytest.mark.parametrize(("template", "name"), CASES, ids=[f"{t.name}: {name}" for t, name in CASES])
def test_an_awkward_conversation_is_as_the_format_says(template, name):
    messages = awkward(template)[name]
    assert one(template, messages) == expected(template.name, messages)


@pytest.mark.parametrize("template", READY.values(), ids=READY)
@settings(max_examples=40, deadline=None)
@given(talks, st.booleans())
def test_random_conversations_are_as_the_format_says(template, messages, prompt):
    assert one(template, messages, generation=prompt) == expected(template.name, messages, prompt)


@pytest.mark.parametrize("template", READY.values(), ids=READY)
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(conversations, max_size=8), data=st.data())
def test_a_batch_is_its_rows_one_by_one_and_frozen_messages_are_not_trained(template, rows, data):
    frozen = [data.draw(st.integers(0, len(row) + 1)) for row in rows]
    runs = runs_of(column(*rows), template, frozen=np.array(frozen, np.int64))
    for i, (row, fixed) in enumerate(zip(rows, frozen, strict=True)):
        want = expected(template.name, row)
        left = sum(trained for _, _, trained in expected(template.name, row[:fixed]))
        for j, (character, control, trained) in enumerate(want):
            want[j] = (character, control, trained and left <= 0)
            left -= trained
        assert seen(runs, i, template.control) == want


@pytest.mark.parametrize("template", READY.values(), ids=READY)
def test_text_runs_are_never_empty_and_never_meet_with_the_same_answer(template):
    runs = runs_of(column(*awkward(template).values()), template)
    for start, end in zip(runs.ends, runs.ends[1:], strict=False):
        control, trained = runs.control[start:end], runs.trained[start:end]
        for i in range(end - start):
            assert (runs.texts[int(start) + i].as_py() == "") == (control[i] >= 0)
            if i and control[i] < 0 and control[i - 1] < 0:
                assert trained[i] != trained[i - 1]


@pytest.mark.parametrize("template", READY.values(), ids=READY)
def test_a_control_token_in_a_message_is_text(template):
    plain = runs_of(column([message("user", "x"), message("assistant", "y")]), template)
    for token in template.control:
        runs = runs_of(column([message("user", token * 2), message("assistant", token)]), template)
        assert (runs.control >= 0).sum() == (plain.control >= 0).sum()
        assert "".join(runs.texts.to_pylist()).count(token) >= 3


@pytest.mark.parametrize("template", READY.values(), ids=READY)
def test_a_null_conversation_has_no_runs_and_an_unknown_role_is_a_fault(template):
    rows = column(None, [message("user", "a"), message("narrator", "b")], [message("user", "c")])
    runs = runs_of(rows, template)
    assert runs.ends.tolist()[:3] == [0, 0, 0] and runs.ends[3] > 0
    assert {row: code for row, (code, _) in runs.faults.items()} == {1: "template.role"}
