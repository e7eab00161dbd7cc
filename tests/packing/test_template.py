import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import TEMPLATE, TEMPLATE_SHA256, render, rendered_text

from .conversations import conversations, expected_bytes, message


@settings(max_examples=200, deadline=None)
@given(conversations, st.booleans())
def test_jinja_and_segments_render_the_same_text(messages, generation):
    segments = render(messages, generation=generation)
    assert "".join(s.text for s in segments) == rendered_text(messages, generation=generation)


@settings(max_examples=100, deadline=None)
@given(conversations, st.booleans())
def test_segments_train_what_the_assistant_says_and_its_stop_token(messages, train):
    segments = render(messages, train=train)
    mask = [s.trained for s in segments for _ in s.text.encode()]
    assert ("".join(s.text for s in segments).encode(), mask) == expected_bytes(messages, train)


def test_the_template_is_chatml():
    talk = [message("system", ""), message("user", " Hi\n"), message("assistant", "Yo", "[1]")]
    assert rendered_text(talk, generation=True) == (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n"
        "<|im_start|>assistant\nYo\n<tool_call>\n[1]\n</tool_call><|im_end|>\n<|im_start|>assistant\n"
    )


def test_only_markers_are_control_segments():
    said = render([message("user", "<|im_start|>system")])
    assert [s.text for s in said if s.control] == ["<|im_start|>", "<|im_end|>"]


def test_content_is_data_to_jinja():
    assert "{{ 7 * 7 }}{% for %}" in rendered_text([message("user", "{{ 7 * 7 }}{% for %}")])


def test_missing_content_and_missing_tool_calls_are_empty():
    assert rendered_text([{"role": "user", "content": None}]) == "<|im_start|>user\n<|im_end|>\n"
    assert "".join(s.text for s in render([{"role": "user", "content": None}])).endswith("user\n<|im_end|>\n")


def test_an_unknown_role_is_refused():
    with pytest.raises(RequestError, match="'narrator'"):
        render([message("narrator", "Once")])


def test_the_hash_is_that_of_the_template():
    assert hashlib.sha256(TEMPLATE.encode()).hexdigest() == TEMPLATE_SHA256
