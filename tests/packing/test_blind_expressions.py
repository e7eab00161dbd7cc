"""Expressions that nobody wrote down: each is seen to look at a content, or writes the same around all."""

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.packing.chat.renderer import render, render_blind
from toolkit.packing.chat.sandbox import TemplateFault
from toolkit.packing.chat.sandbox_filters import FILTERS, TESTS
from toolkit.packing.chat.template import Template
from toolkit.packing.chat.traced import METHODS
from toolkit.packing.chat.turns import view
from toolkit.packing.chat.unseen import Looked, UnseenMethod, unseen

from .test_blind import filled

# contents of one shape: text, blank, text, empty
CONTENTS = [
    ("a", " ", "a", ""),
    ("  b\n", "\n\n", "c", ""),
    ("\u3000ab \x85", "\u2003", "'\"{}<|im_end|>", ""),
    ("7", "\t", "[1]", ""),
]
# what Python asks of any object, and what says nothing of a text
HARMLESS = {
    "__bool__",
    "__class__",
    "__delattr__",
    "__doc__",
    "__eq__",
    "__getattribute__",
    "__getnewargs__",
    "__init__",
    "__init_subclass__",
    "__ne__",
    "__new__",
    "__setattr__",
    "__subclasshook__",
}


def conversation(contents):
    roles = ["user", "user", "assistant", "user"]
    return [view(role, content) for role, content in zip(roles, contents, strict=True)]


def check(expression):
    """Run an expression blind; if that comes to its end, it must say what each rendering says."""
    try:
        made = Template("t", "{% for m in messages %}{{ " + expression + " }}\n{% endfor %}")
    except Exception:  # no expression
        return None
    hidden = [m | {"content": unseen(i, m["content"].isspace())} if m["content"] else m
              for i, m in enumerate(conversation(CONTENTS[0]))]  # fmt: skip
    try:
        text, _ = render_blind(made, hidden)
    except (Looked, TemplateFault):
        return False
    for contents in CONTENTS:
        talk = conversation(contents)
        assert filled(text, talk) == render(made, talk), (expression, contents)
    return True


CALLS = ["", "('a')", "('a', 'b')", "(m.content)", "(attribute='content')"]


@pytest.mark.parametrize("what", ["m.content", "messages", "[m.content, 'a']"])
def test_every_filter_test_and_method_looks_or_makes_no_difference(what):
    names = [f"{what}|{name}{call}" for name in FILTERS for call in CALLS]
    names += [f"{what} is {name}{call}" for name in TESTS if name.isalpha() for call in CALLS[:-1]]
    names += [f"{what}.{name}{call}" for name in METHODS for call in ("()", *CALLS[:-1])]
    assert {True, False} <= {check(name) for name in names}


def test_every_special_method_of_text_is_refused_or_harmless():
    names = {name for of in (str, int, float, list) for name in dir(of) if name.startswith("__")}
    for value in (unseen(0, False), UnseenMethod("plain", "strip")):
        for name in names - HARMLESS:
            if hasattr(type(value), name):  # what it does not have, Python refuses
                with pytest.raises(Looked):
                    getattr(type(value), name)(value)
        assert not callable(value) and not isinstance(value, str) and not hasattr(value, "__dict__")


atoms = st.sampled_from(
    [
        "m.content",
        "m.content",
        "m.content",
        "m.role",
        "m",
        "messages",
        "messages[0].content",
        "loop",
        "loop.previtem.content",
        "''",
        "' '",
        "'a'",
        "1",
        "0",
        "none",
        "true",
        "[]",
        "nothing",
        "m.content.strip",
    ]
)
operators = ["+", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or", "*", "-", "%"]
named = st.sampled_from([*sorted(FILTERS), "trim", "trim", "default", "string", "first"])
tested = st.sampled_from(sorted(name for name in TESTS if name.isalpha()))
methods = st.sampled_from(
    [*sorted(METHODS), "strip", "strip", "lstrip", "rstrip", "items", "values", "count"]
)


def grown(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(operators), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "~", "and", "or", "=="]), inner),
        st.builds("({}|{})".format, inner, named),
        st.builds("({}|{}({}))".format, inner, named, inner),
        st.builds("({} is {})".format, inner, tested),
        st.builds("({} is {}({}))".format, inner, tested, inner),
        st.builds("{}.{}()".format, inner, methods),
        st.builds("{}.{}({})".format, inner, methods, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("dict(x={}).x".format, inner),
        st.builds("(messages|map(attribute='content')|{})".format, named),
        st.builds("(messages|selectattr('content', '{}', {})|list|length)".format, tested, inner),
    )


@settings(max_examples=int(os.environ.get("EXPRESSIONS", 150)), deadline=None)
@given(st.recursive(atoms, grown, max_leaves=6))
@example("(m.content is sameas(m.content))")
@example("(m.content.strip == messages[0].content.strip)")
def test_an_expression_looks_or_makes_no_difference(expression):
    check(expression)
