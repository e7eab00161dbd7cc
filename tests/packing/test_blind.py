# ruff: noqa: E501  (Jinja reads better on one line)
"""A template that runs blind writes the same around every content; one that looks at a content cannot."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing import rendered
from toolkit.packing.conversations import runs_of, runs_of_rendered
from toolkit.packing.marked import marked
from toolkit.packing.proof import recipe
from toolkit.packing.renderer import render, render_blind
from toolkit.packing.sandbox import TemplateFault
from toolkit.packing.template import READY, Template
from toolkit.packing.turns import views
from toolkit.packing.unseen import LSTRIP, RSTRIP, STRIP, Hole, Looked, pieces_of, unseen
from toolkit.records.schema import MESSAGES

from .conversations import message, texts
from .looking_templates import BLIND, LOOKING, around

IM = ("<|im_start|>", "<|im_end|>")
WHITE = "".join(c for c in map(chr, range(0x110000)) if c.isspace())
edges = st.text(WHITE, max_size=3)
said = st.one_of(texts, st.builds("{}{}{}".format, edges, texts, edges), edges, st.sampled_from(["a", "ab"]))
roles = st.sampled_from(["system", "user", "assistant", "assistant", "user", "tool"])
plain = st.lists(st.builds(message, roles, said), max_size=5)
TALK = [message("user", "a"), message("assistant", " b "), message("user", "a")]
STRIPPED = {STRIP: str.strip, LSTRIP: str.lstrip, RSTRIP: str.rstrip, 0: str}


def template(body):
    return Template("t", around(body), control=IM)


def blind(made, messages, **options):
    seen = [
        m | {"content": unseen(i, m["content"].isspace())} if m["content"] else m
        for i, m in enumerate(views(messages))
    ]
    return render_blind(made, seen, **options)


def filled(text, messages):
    """The oracle of holes: Python's own methods of str, on the contents themselves."""
    return "".join(
        STRIPPED[piece.how](messages[piece.message]["content"]) if isinstance(piece, Hole) else piece
        for piece in pieces_of(text)
    )


def same(column, made, **options):
    """Both ways, byte for byte and run for run."""
    ours, oracle = runs_of(column, made, **options), runs_of_rendered(column, made, **options)
    assert ours.faults == oracle.faults
    for name in ("ends", "control", "trained"):
        assert getattr(ours, name).tolist() == getattr(oracle, name).tolist(), name
    assert ours.texts.equals(oracle.texts)
    return ours


def rows(*conversations):
    return pa.array(conversations, MESSAGES)


@pytest.mark.parametrize("body", LOOKING)
def test_a_template_that_looks_at_a_content_cannot_run_blind(body):
    with pytest.raises((Looked, TemplateFault)):
        blind(template(body), [TALK[0], *TALK])  # two of one role, so that they could be the same
    assert recipe(template(body), bytes([15, 15, 24, 15]), False, 0) is None


@pytest.mark.parametrize("body", BLIND)
@settings(max_examples=6, deadline=None)
@given(plain, st.booleans())
def test_a_blind_run_filled_with_contents_is_the_rendering(body, messages, prompt):
    made = template(body)
    text, longest = blind(made, messages, generation=prompt)
    assert longest > 1 << 20
    assert filled(text, messages) == render(made, views(messages), generation=prompt)


@pytest.mark.parametrize("made", [*READY.values(), *map(marked, READY)], ids=lambda made: made.name)
@settings(max_examples=20, deadline=None)
@given(st.lists(plain, max_size=5), st.booleans(), st.integers(0, 3))
def test_without_rendering_the_runs_are_the_same(made, talks, prompt, fixed):
    same(rows(*talks), made, generation=prompt, frozen=[fixed] * len(talks))


@pytest.mark.parametrize("body", [*BLIND, *LOOKING])
@settings(max_examples=2, deadline=None)
@given(st.lists(plain, min_size=1, max_size=4), st.booleans())
def test_with_any_template_the_runs_are_the_same(body, talks, prompt):
    same(rows(TALK, *talks, TALK[:2]), template(body), generation=prompt)


@pytest.mark.parametrize("made", [*READY.values(), *map(marked, READY)], ids=lambda made: made.name)
def test_a_ready_template_renders_no_conversation_without_tool_calls(made, monkeypatch):
    talk = [message("system", "s"), *TALK, message("assistant", " \n"), message("user", "\u3000x\x85")]
    wanted = runs_of_rendered(rows(talk), made).texts
    monkeypatch.setattr(rendered, "render_all", None)
    assert runs_of(rows(talk), made).texts.equals(wanted)


def test_what_is_rendered_and_what_is_not_come_in_the_order_of_the_rows():
    calls = [message("user", "u"), message("assistant", "", '[{"name":"f"}]')]
    odd = [message("narrator", "x"), message("assistant", "y")]
    column = pa.chunked_array([rows(TALK, calls, None, []), rows(odd, TALK, [message("user", None)], calls)])
    for made in READY.values():
        found = same(column, made)
        assert {row: code for row, (code, _) in found.faults.items()} == {4: "template.role"}
    null = pa.array([[TALK[0], None]], MESSAGES)
    assert same(null, READY["chatml"]).faults[0][0] == "template.role"


@pytest.mark.parametrize("size", [5_000, 9_000, 70_000])
@pytest.mark.parametrize(
    "body",
    [
        "{% for i in range(90000) %}{% endfor %}---{{ m.content }}",
        "{% for i in range(150) %}{% set x = m.content|trim %}{% endfor %}{{ m.content }}",
        "{{ m.content }}" * 80,
        "{% set ns = namespace(x='') %}{% for i in range(70) %}{% set ns.x = ns.x + m.content %}{% endfor %}{{ ns.x }}",
        "{% set x = [m, m, m, m] %}{% set y = [x, x, x, x] %}{% set z = [y, y, y, y, y] %}{{ m.content }}",
    ],
)
def test_a_budget_that_a_long_content_exceeds_is_exceeded_without_rendering_too(body, size):
    same(rows(TALK, [message("user", "x" * size), message("assistant", "y")]), template(body))


def test_a_budget_does_not_pass_for_one_that_holds_for_every_length():
    text, longest = blind(template("{% for i in range(90000) %}{% endfor %}---{{ m.content }}"), TALK)
    assert filled(text, TALK) and 0 < longest <= 8192
    body = (
        "{% set ns = namespace(x='') %}{% for i in range(70) %}{% set ns.x = ns.x + m.content %}{% endfor %}"
    )
    with pytest.raises(Looked):
        blind(template(body), TALK)


def test_half_a_surrogate_pair_is_a_fault_without_rendering_too():
    found = same(
        rows(TALK, [], TALK[:1]), template("{{ '\\ud800' if m.role == 'assistant' }}{{ m.content }}")
    )
    assert {row: code for row, (code, _) in found.faults.items()} == {0: "template.not_utf8"}
    # no stand-in holds this text, so that the skeleton meets what the rendering does not write
    same(
        rows(TALK),
        template("{{ '\\ud800' if 'a' not in m.content and 'b' not in m.content }}{{ m.content }}"),
    )
