# ruff: noqa: E501  (Jinja reads better on one line)
"""Whatever is done to traced text, no character loses its source."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing.chat.renderer import render, trace
from toolkit.packing.chat.template import Template
from toolkit.packing.chat.traced import METHODS, Traced, joined, spans_of, traced
from toolkit.packing.chat.turns import views

short = st.text(alphabet="ab \nßİ", max_size=6)
pieces = st.lists(st.tuples(short, st.integers(0, 2)), max_size=4)
ARGUMENTS = {
    "strip": [(), ("a ",)],
    "split": [(), ("a",), (None, 1), ("ab", 1)],
    "rsplit": [(), ("a",), (None, 1), ("a", 1)],
    "splitlines": [(), (True,)],
    "partition": [("a",)],
    "replace": [("a", "XY"), ("", "-"), ("ab", ""), ("a", "b", 1), ("", "x", 2)],
    "join": [(["p", "q", "r"],)],
    "removeprefix": [("a",)],
    "removesuffix": [("b",)],
    "startswith": [("a",)],
    "find": [("b",)],
}
ARGUMENTS |= {
    "lstrip": ARGUMENTS["strip"],
    "rstrip": ARGUMENTS["strip"],
    "rpartition": ARGUMENTS["partition"],
}
ARGUMENTS |= {"endswith": [("a",)], "rfind": [("b",)], "index": [("",)], "count": [("a",)]}


def made(parts):
    return joined([traced(text, source) for text, source in parts])


def pairs(text):
    sources = [source for length, source in spans_of(text) for _ in range(length)]
    return list(zip(str.__str__(text), sources, strict=True))


def texts_in(value):
    return [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else []


@pytest.mark.parametrize("method", sorted(METHODS))
@settings(max_examples=25, deadline=None)
@given(pieces)
def test_every_method_gives_what_str_gives_and_keeps_the_sources(method, parts):
    text = made(parts)
    plain = "".join(t for t, _ in parts)
    for args in ARGUMENTS.get(method, [()]):
        result = getattr(text, method)(*args)
        assert result == getattr(plain, method)(*args)
        for one in texts_in(result):
            assert isinstance(one, Traced)
            assert sum(length for length, _ in one.spans) == len(one)
            if method not in {"upper", "lower", "title", "capitalize", "join", "replace"}:
                assert "".join(c for c, _ in pairs(one)) in plain
                where = [i for i in range(len(text) + 1) if pairs(text)[i : i + len(one)] == pairs(one)]
                assert where


@given(pieces, st.integers(-7, 7), st.integers(-7, 7), st.sampled_from([1, -1, 2]))
def test_slices_and_indices_are_those_of_the_pairs(parts, start, stop, step):
    text = made(parts)
    assert pairs(text[start:stop:step]) == pairs(text)[start:stop:step]
    assert [pairs(c) for c in text] == [[p] for p in pairs(text)]
    if -len(text) <= start < len(text):
        assert pairs(text[start]) == [pairs(text)[start]]


@given(pieces, pieces)
def test_adding_keeps_both_sides(a, b):
    assert pairs(made(a) + made(b)) == pairs(made(a)) + pairs(made(b))
    assert pairs("x" + made(a) + "y") == [("x", 0), *pairs(made(a)), ("y", 0)]


def test_replace_brings_the_sources_of_the_new_text():
    assert pairs(traced("a-b", 1).replace("-", traced("+", 2))) == [("a", 1), ("+", 2), ("b", 1)]


def test_text_whose_length_changes_with_case_is_the_contents():
    assert pairs((traced("<", 0) + traced("ß", 2)).upper()) == [("<", 2), ("S", 2), ("S", 2)]


SAID = views(
    [
        {"role": "user", "content": " zq1\nzq2 "},
        {
            "role": "assistant",
            "content": "ZQ",
            "tool_calls": '{"name": "zq", "arguments": {"zq": ["zq", 1, {"zq": null}]}}',
        },
    ]
)


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.content|FILTER }}|{% endfor %}".replace("FILTER", name)
        for name in [
            "trim",
            "upper",
            "lower",
            "title",
            "capitalize",
            "string",
            "reverse",
            "indent(2)",
            "list",
            "first",
            "last",
            "tojson",
            "default('-')",
        ]
    ]
    + [
        "{{ messages|map(attribute='content')|join('<') }}",
        "{{ '<'.join([messages[0].content, messages[1].content]) }}",
        "{{ 'a<b'|replace('<', messages[0].content) }}{{ 'a<b'.replace('<', messages[0].content) }}",
        "{{ messages[0].content ~ '<' ~ messages[1].content }}{{ '<' + messages[0].content * 2 }}",
        "{% set x %}<{{ messages[0].content }}>{% endset %}{{ x }}{{ x|trim }}{{ x[2:-1] }}",
        "{% macro f(t) %}<{{ t }}>{{ caller() if caller else '' }}{% endmacro %}{{ f(messages[0].content) }}",
        "{% filter upper %}<{{ messages[0].content }}{% endfilter %}",
        "{{ messages[1].tool_calls|tojson }}{{ messages[1].tool_calls|tojson(indent=3) }}",
        "{{ messages[1].tool_calls|tojson(sort_keys=true, ensure_ascii=true, separators=(',', ':')) }}",
        "{{ messages[1].tool_calls }}{{ messages[1].tool_calls[0].function.arguments|string }}",
        "{% for k, v in messages[1].tool_calls[0].function.arguments|items %}<{{ k }}={{ v }}>{% endfor %}",
        "{% for c in messages[0].content %}<{{ c }}>{% endfor %}",
        "{% set n = namespace(t='<') %}{% for m in messages %}{% set n.t = n.t + m.content %}{% endfor %}{{ n.t }}",
        "{{ messages[0].content.split('q')|join('<') }}{{ messages[0].content.strip().splitlines()[1] }}",
        "{{ messages[0]['content'].partition('\n')[2].lstrip('z').removesuffix(' ') }}",
        "{{ (messages|selectattr('role', 'equalto', 'user')|first).content }}{{ [messages[0].content]|sort|min }}",
    ],
)
def test_what_a_message_said_is_never_taken_for_the_templates(source):
    made = Template("t", source)
    found = trace(made, SAID)
    assert found.text == render(made, SAID)
    starts = [0, *found.ends]
    own = "".join(
        found.text[a:b]
        for a, b, source in zip(starts, found.ends, found.sources, strict=False)
        if source == 0
    )
    assert not set("zqZQ") & set(own)


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(["", "indent=2", "ensure_ascii=true", "sort_keys=true", "separators=(',', ':')"]),
)
def test_json_is_that_of_the_standard_library(value, option):
    call = json.dumps([{"function": {"name": "f", "arguments": {"v": value}}}])
    talk = views([{"role": "assistant", "content": "", "tool_calls": call}])
    made = Template(
        "t",
        "{{ messages[0].tool_calls if messages[0].tool_calls is string else "
        f"messages[0].tool_calls[0].function.arguments | tojson({option}) }}}}",
    )
    assert trace(made, talk).text == render(made, talk)
