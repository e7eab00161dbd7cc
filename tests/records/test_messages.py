import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.turns import said, turn, user
from toolkit.records import SchemaError, canonical, compared_text, decode_payload, every_text
from toolkit.records.messages import parse_messages, parse_transcript, split_common

TURNS = st.lists(
    st.tuples(st.sampled_from(["Human", "Assistant"]), st.text("ab :\nHn")), min_size=1, max_size=6
)


def transcript(turns):
    return "".join(f"\n\n{who}: {content}" for who, content in turns)


def back(messages):
    names = {"user": "Human", "assistant": "Assistant"}
    return transcript([(names[message["role"]], message["content"]) for message in messages])


@settings(deadline=None, max_examples=100)
@given(TURNS)
def test_the_turns_of_a_transcript_join_to_the_transcript(turns):
    assert back(parse_transcript("\n\nHuman: x" + transcript(turns))) == "\n\nHuman: x" + transcript(turns)


@pytest.mark.parametrize(
    "text", ["", "Human: hi", "\nHuman: hi", "x\n\nHuman: hi", "\n\nHuman hi", "\n\nhuman: hi"]
)
def test_what_does_not_start_with_a_marker_is_no_transcript(text):
    assert parse_transcript(text) is None


def test_only_one_space_after_a_marker_belongs_to_it():
    assert parse_transcript("\n\nHuman:  a\n\nAssistant:b") == [user(" a"), said("b")]


MESSAGES = st.lists(st.sampled_from([user("a"), user("b"), said("a"), said("b")]), min_size=1, max_size=5)


@settings(deadline=None, max_examples=80)
@given(MESSAGES, MESSAGES)
def test_a_pair_is_whole_when_its_prompt_is_put_back(chosen, rejected):
    shared = split_common(chosen, rejected)
    assert chosen[:shared] + rejected[shared:] == rejected


@settings(deadline=None, max_examples=80)
@given(MESSAGES, MESSAGES)
def test_a_prompt_leaves_both_sides_an_answer_or_is_empty(chosen, rejected):
    shared = split_common(chosen, rejected)
    assert shared == 0 or (chosen[shared]["role"] == "assistant" and shared < len(rejected))


@pytest.mark.parametrize(
    ("given_role", "role"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("Human", "user"),
        ("assistant", "assistant"),
        ("GPT", "assistant"),
        ("model", "assistant"),
        ("bot", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
        ("observation", "tool"),
    ],
)
def test_role_names_are_translated(given_role, role):
    assert parse_messages([{"role": given_role, "content": "x"}]) == [turn(role, "x")]


def test_text_parts_are_joined():
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    assert parse_messages([{"role": "user", "content": parts}]) == [user("a b")]


def test_no_tool_calls_are_none():
    assert parse_messages([{"role": "assistant", "content": "x", "tool_calls": []}]) == [said("x")]


def test_content_is_kept_verbatim():
    content = " \r\n\tx\u2028\0é\u0301 "
    assert parse_messages([{"from": "human", "value": content}]) == [user(content)]


U = {"role": "user", "content": "q"}
A = {"role": "assistant", "content": "a"}
REFUSED = [
    ("schema.unrecognised", "auto", {"text": "x"}),
    ("schema.wrong_regime", "sft", {"prompt": "q", "chosen": "a", "rejected": "b"}),
    ("schema.wrong_regime", "rl", {"prompt": "q", "chosen": "a", "rejected": "b"}),
    ("schema.missing_response", "sft", {"prompt": "q", "answer": "4"}),
    ("schema.missing_response", "auto", {"prompt": "q"}),
    ("schema.missing_response", "auto", {"instruction": "q"}),
    ("schema.missing_response", "auto", {"messages": [U]}),
    ("schema.missing_response", "auto", {"instruction": "q", "instances": [{"input": "x"}]}),
    ("schema.missing_response", "auto", {"instruction": "q", "instances": ["x"]}),
    ("schema.missing_response", "auto", {"prompt": "q", "chosen": [U], "rejected": [A]}),
    ("schema.missing_response", "auto", {"chosen": [U, A], "rejected": [{**U, "content": "r"}, A]}),
    ("schema.missing_response", "rl", {"prompt": "q", "answer": " \n"}),
    ("schema.empty_response", "auto", {"prompt": "q", "response": ""}),
    ("schema.empty_response", "auto", {"messages": [U, A, {**A, "content": " \n"}]}),
    ("schema.empty_response", "auto", {"prompt": "q", "chosen": "", "rejected": " "}),
    ("schema.empty_response", "auto", {"question": "q", "answer": ""}),
    ("schema.missing_chosen", "preference", {"prompt": "q", "response": "a"}),
    ("schema.missing_chosen", "preference", {"messages": [U, A]}),
    ("schema.missing_answer", "rl", {"prompt": "q", "response": "a"}),
    ("schema.missing_answer", "rl", {"messages": [U, A]}),
    ("schema.empty_prompt", "auto", {"prompt": " ", "response": "a"}),
    ("schema.empty_prompt", "auto", {"messages": [A]}),
    ("schema.empty_prompt", "auto", {"chosen": "a", "rejected": "b"}),
    ("schema.empty_prompt", "auto", {"prompt": "", "answer": "4"}),
    ("schema.wrong_type", "auto", {"messages": "x"}),
    ("schema.wrong_type", "auto", {"messages": []}),
    ("schema.wrong_type", "auto", {"messages": ["x"]}),
    ("schema.wrong_type", "auto", {"messages": [{"role": "user", "content": None}]}),
    ("schema.wrong_type", "auto", {"messages": [{"role": "user", "content": {"a": 1}}]}),
    ("schema.wrong_type", "auto", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
    ("schema.wrong_type", "auto", {"messages": [{"role": "user", "content": ["x"]}]}),
    ("schema.wrong_type", "auto", {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}),
    ("schema.wrong_type", "auto", {"prompt": 5, "response": "a"}),
    ("schema.wrong_type", "auto", {"prompt": "q", "response": None}),
    ("schema.wrong_type", "auto", {"prompt": "q", "response": "a", "system": 5}),
    ("schema.wrong_type", "auto", {"instruction": ["q"], "output": "a"}),
    ("schema.wrong_type", "auto", {"instruction": "q", "input": 5, "output": "a"}),
    ("schema.wrong_type", "auto", {"instruction": "q", "instances": []}),
    ("schema.wrong_type", "auto", {"question": "q", "answer": [4]}),
    ("schema.wrong_type", "auto", {"prompt": "q", "verifier": 5}),
    ("schema.wrong_type", "auto", {"prompt": "q", "verifier": {"spec": "x"}}),
    ("schema.wrong_type", "auto", {"prompt": "q", "canonical_solution": 1, "test": "", "entry_point": ""}),
    ("schema.wrong_type", "auto", {"prompt": "q", "chosen": 5, "rejected": True}),
    ("schema.bad_role", "auto", {"messages": [{"role": "narrator", "content": "x"}]}),
    ("schema.bad_role", "auto", {"messages": [{"role": ["user"], "content": "x"}]}),
    ("schema.bad_role", "auto", {"messages": [{"content": "x"}]}),
    ("schema.missing_content", "auto", {"messages": [{"role": "user"}]}),
    ("schema.missing_content", "auto", {"messages": [{"role": "user", "value": "x"}]}),
]


@pytest.mark.parametrize(
    ("reason", "regime", "payload"), REFUSED, ids=[f"{r} {p}"[:70] for r, _, p in REFUSED]
)
def test_a_payload_that_is_no_record_is_refused_for_its_reason(reason, regime, payload):
    with pytest.raises(SchemaError) as found:
        canonical(payload, regime)
    assert found.value.reason == reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "output", "kind", "spec"]), inner
        )
    ),
    max_leaves=6,
)
KEYS = [
    "messages",
    "conversations",
    "prompt",
    "chosen",
    "rejected",
    "instruction",
    "instances",
    "question",
    "answer",
    "response",
    "verifier",
    "system",
    "difficulty",
    "canonical_solution",
    "test",
    "entry_point",
    "lang",
]


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6),
    st.sampled_from(["auto", "sft", "preference", "rl"]),
)
def test_any_payload_is_a_record_or_refused(payload, regime):
    try:
        assert canonical(payload, regime)["regime"] in ("sft", "preference", "rl")
    except SchemaError as refused:
        assert refused.reason.startswith("schema.")


def test_a_lone_surrogate_is_refused_by_its_code():
    with pytest.raises(SchemaError, match=r"text\.lone_surrogate: U\+D83D stands alone"):
        decode_payload(b'{"a":{"b":["x\\ud83d"]}}')


def test_a_lone_surrogate_in_a_key_is_refused():
    with pytest.raises(SchemaError, match=r"U\+DFFF"):
        decode_payload(b'{"\\udfff":1}')


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a":%b}' % (b"7" * 30), {"a": int("7" * 30)}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":%b,"b":2,"c":0.5}' % (b"7" * 5000), {"a": "7" * 5000, "b": 2, "c": 0.5}),
    ],
    ids=["pair", "30 digits", "an escaped backslash", "a key twice", "5,000 digits change no other number"],
)
def test_an_awkward_payload_is_decoded(payload, value):
    assert decode_payload(payload) == value


RECORD = {
    "messages": [turn("system", "S"), user("u"), turn("assistant", "", "calls"), turn("tool", "t")],
    "prompt": [turn("system", "S2"), user("p")],
    "chosen": [said("c")],
    "rejected": [said("r"), user("last")],
    "answer": "42",
}


def test_the_compared_text_leaves_out_the_system_and_the_answer():
    assert compared_text(RECORD) == "u\n\ncalls\nt\np\nc\nr\nlast"


def test_every_text_leaves_out_nothing_that_was_said():
    assert every_text(RECORD) == "S\nu\n\ncalls\nt\nS2\np\nc\nr\nlast\n42"


def test_every_text_holds_the_tests_that_a_verifier_runs():
    record = {**RECORD, "verifier": {"kind": "unit_test", "spec": "assert f(1) == 2"}}
    assert every_text(record).endswith("\n42\nassert f(1) == 2")


def test_an_rl_record_is_compared_on_its_prompt_alone():
    assert compared_text(canonical({"prompt": "q", "answer": "4"}, "rl")) == "q"


def test_a_record_without_text_has_none():
    assert (compared_text({}), every_text({"messages": None, "answer": None})) == ("", "")


def test_an_older_function_call_becomes_a_tool_call():
    call = {"name": "f", "arguments": "{}"}
    (found,) = parse_messages([{"role": "assistant", "content": None, "function_call": call}])
    assert json.loads(found["tool_calls"]) == [{"type": "function", "function": call}]
