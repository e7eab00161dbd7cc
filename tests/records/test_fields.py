import json

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.records import canonical, searched_fields, searched_texts, texts_in
from toolkit.records.messages import message

CHAT = {
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "find it"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"type": "function", "function": {"name": "look", "arguments": '{"q": "one\\ntwo \\u00e9"}'}}
            ],
        },
        {"role": "tool", "content": '{"found": ["three\\nfour"]}'},
        {"role": "assistant", "content": "done"},
    ]
}


said = st.one_of(
    st.text(max_size=8),
    st.recursive(
        st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    ).map(json.dumps),
    st.sampled_from(["", " [", "{", '\n{"a":"b\\nc"}', '["[\\"x\\"]"]']),
)
turns = st.lists(
    st.builds(message, st.sampled_from(["user", "assistant"]), said, st.none() | said), max_size=4
)


@given(
    st.fixed_dictionaries(
        {"messages": st.none() | turns, "prompt": turns, "chosen": st.none(), "answer": st.none() | said},
        optional={"verifier": st.fixed_dictionaries({"kind": st.just("unit_test"), "spec": said})},
    )
)
def test_the_texts_without_their_places_are_the_same(record):
    assert searched_texts(record) == [text for _, text in searched_fields(record)]


def test_every_message_is_a_field_with_its_place():
    found = searched_fields(canonical(CHAT, "sft"))
    assert found[:2] == [("messages[0].content", "be brief"), ("messages[1].content", "find it")]
    assert found[-1] == ("messages[4].content", "done")


def test_text_that_is_json_is_also_read_as_what_it_spells():
    found = searched_fields(canonical(CHAT, "sft"))
    calls = [text for place, text in found if place == "messages[2].tool_calls"]
    assert {"look", "one\ntwo é"} <= set(calls) and json.loads(calls[0])[0]["function"]["name"] == "look"
    assert ("messages[3].content", "three\nfour") in found


def test_roles_are_no_text():
    assert not {"user", "assistant", "system", "tool"} & {text for _, text in texts_in(CHAT, "")}


def test_of_an_exact_match_the_comparison_is_no_text_but_all_else_is():
    plain = canonical({"prompt": "2 + 2?", "answer": "4"}, "rl")
    assert searched_fields(plain) == [("prompt[0].content", "2 + 2?"), ("answer", "4")]
    spec = {"kind": "exact_match", "spec": {"compare": "text", "answers": ["four\nfive"]}}
    named = canonical({"prompt": "2 + 2?", "answer": "4", "verifier": spec}, "rl")
    assert searched_fields(named)[2:] == [("verifier.spec.answers[0]", "four\nfive")]


def test_the_tests_of_a_program_are_searched_without_their_escapes():
    row = {
        "prompt": "p",
        "canonical_solution": "s",
        "test": "def check(f):\n    assert f",
        "entry_point": "f",
    }
    found = searched_fields(canonical(row, "rl"))
    assert ("verifier.spec", "def check(f):\n    assert f") in found


def test_text_deep_within_json_within_json_ends():
    text = "the end"
    for _ in range(40):
        text = json.dumps([text])[:100_000]
    assert len(list(texts_in(text, "x"))) <= 17
    assert list(texts_in("[" * 100_000, "x")) == [("x", "[" * 100_000)]
    assert [text for _, text in texts_in('["\\ud800"]', "x")] == ['["\\ud800"]', "?"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def strings(value):
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, one in value.items() if key not in ("role", "from") for text in strings(one)]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_every_string_is_found_in_order(value):
    found = iter(text for _, text in texts_in(value, "x"))
    assert all(text in found for text in strings(value))
