"""Bronze lines to canonical rows: columns at once against one record at a time."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels.chat import Chats, plain_chats
from toolkit.pipeline.stages import canonicalise as module
from toolkit.pipeline.stages.canonicalise import canonicalise

SAID = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", " ", "\n\t", "\u00a0", "hi", "{}", ' [{"a": "b"}]', "\\u0041", "\ufeff", "<|im_end|>", "😀e\u0301"]
)
NAMES = st.sampled_from(["user", "assistant", "system", "tool", "human", "gpt", "User", "bot", "", "role"])
PLAIN = st.fixed_dictionaries({"role": NAMES, "content": SAID})
SHAREGPT = st.fixed_dictionaries({"from": NAMES, "value": SAID})
ODD = st.dictionaries(
    st.sampled_from(["role", "content", "from", "value", "tool_calls", "name", "weight"]),
    SAID | st.none() | st.integers() | st.just([{"type": "text", "text": "part"}]),
    max_size=4,
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | SAID,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SAID, inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["id", "score", "system", "answer", "chosen", "rejected", "verifier", "lang", "difficulty", "prompt", "é"]
)
TALK = st.lists(PLAIN, max_size=4) | st.lists(SHAREGPT, max_size=4) | st.lists(PLAIN | ODD, max_size=3)
PAYLOAD = st.builds(
    lambda talk, rest, name, last: rest | {name: talk} if last else {name: talk} | rest,
    TALK,
    st.dictionaries(KEYS, ANY, max_size=2),
    st.sampled_from(["messages", "messages", "conversations"]),
    st.booleans(),
)
WRITTEN = st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 1}, {"separators": (",", ":")}])
GOOD = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


def bronze(payloads):
    """Bronze lines as the door writes them, every second record of another source file."""
    lines = []
    for number, payload in enumerate(payloads):
        facts = {
            "source_id": "s",
            "source_type": "synthetic",
            "source_rank": 7,
            "license": "mit",
            "consent": None,
        }
        facts |= {"pii": None, "generator_model": None, "logical_date": "2026-01-01", "run_id": "r"}
        origin = {
            "path": f"é{number % 2}.jsonl",
            "line": number + 1,
            "offset": 9 * number,
            "length": len(payload),
        }
        head = (
            {"record_id": hashlib.sha256(payload).hexdigest(), "origin": origin}
            | facts
            | {"schema_version": 1}
        )
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
        lines.append(text[:-1] + b',"payload":' + payload + b"}\n")
    return b"".join(lines)


def one_by_one(monkeypatch):
    def none(data, start, *_):
        empty = np.zeros(0, np.int64)
        nothing = plain_chats(data, empty, empty)
        return Chats(np.zeros(len(start), bool), nothing.rows, nothing.roles, nothing.ends, nothing.text)

    monkeypatch.setattr(module, "read_chats", none)


def everything(found):
    said = {name: getattr(found, name).to_pylist() for name in ("table", "compared", "every", "fields")}
    return said | {
        "quarantine": found.quarantine,
        "books": found.ledger.to_dict(),
        "schema": found.table.schema,
    }


def check(payloads, regime="auto", mapping=None, gone=frozenset(), searched=True):
    lines = bronze(payloads)
    with pytest.MonkeyPatch.context() as patch:
        at_once = everything(canonicalise(lines, regime, mapping, gone, searched=searched))
        one_by_one(patch)
        slowly = everything(canonicalise(lines, regime, mapping, gone, searched=searched))
    assert at_once == slowly
    return at_once


@settings(deadline=None, max_examples=120)
@given(
    st.lists(st.tuples(PAYLOAD, WRITTEN), max_size=5),
    st.sampled_from(["auto", "sft", "preference", "rl"]),
    st.booleans(),
)
def test_columns_at_once_are_what_one_record_at_a_time_gives(records, regime, searched):
    check(
        [json.dumps(value, **how).replace("\n", " ").encode() for value, how in records],
        regime,
        searched=searched,
    )


HOSTILE = [
    b'{"messages":[]}',
    b'{"messages":[{"role":"user","content":"q"}]}',
    b'{"messages":[{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"role":"user","content":" "},{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"assistant","content":""}]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"\xe3\x80\x80"}]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"\xe4\xb8\xad"}]}',
    b'{"messages":[{"role":"user","content":"\\ud83d\\ude00"},{"role":"assistant","content":"a\\ud800"}]}',
    b'{"messages":[{"role":"user","content":"\\ud83d\\ude00 \\u00e9\\u4e2d\\u0000"},'
    b'{"content":"\\/\\b\\f\\n\\r\\t\\"\\\\","role":"gpt"}]}',
    b'{"x":"\\udc00","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}',
    b'{"x":["\\\\ud800",{"y":"\\ud83d\\ude00"}],"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"messages":[]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"conversations":3}',
    b'{"messages":[{"role":"user","role":"tool","content":"q"},{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"role":"user","content":"q","from":"human"},{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}],"system":"be kind"}',
    b'{"messages":[{"role":"us\\u0065r","content":"q"},{"role":"assistant","content":"a"}]}',
    b'{"m\\u0065ssages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"answer":"#### 4"}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"lang":"de"}',
    b' { "a" : [ 1 , { "b" : "}]" } ] , "messages" : [ { "role" : "user" , "content" : "q" } , '
    b'{ "role" : "assistant" , "content" : "a" } ] } ',
    b'{"messages":[null,{"role":"assistant","content":"a"}]}',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":["a"]}]}',
    b'{"messages":{"role":"user","content":"q"}}',
    b"{}",
    json.dumps({"messages": [{"role": "system", "content": "s"}, *GOOD["messages"]]}).encode(),
    json.dumps({"messages": [{"role": "user", "content": "x" * 3_000_000}, *GOOD["messages"]]}).encode(),
]


def test_hostile_payloads_come_out_alike_alone_and_together():
    for payload in HOSTILE:
        check([payload])
    found = check(HOSTILE * 2)
    assert 0 < len(found["table"]) < 2 * len(HOSTILE)


def test_lines_that_came_twice_are_left_out():
    payloads = [json.dumps(GOOD).encode()] * 3 + HOSTILE[:2]
    found = check(payloads, gone={("é1.jsonl", 2, 9), ("é0.jsonl", 5, 36), ("other", 1, 0)})
    assert [row["origin"]["line"] for row in found["table"]] == [1, 3]


def test_a_map_of_fields_is_obeyed():
    payload = json.dumps(GOOD | {"said": "b", "asked": "c"}).encode()
    (row,) = check([payload], "sft", {"prompt": ["asked"], "response": ["said"]})["table"]
    assert [turn["content"] for turn in row["messages"]] == ["c", "b"]


def test_plain_chats_are_recognised():
    """What the speed rests on: the ordinary forms must not fall to the parser."""
    talk = GOOD["messages"]
    told = [{"from": "human", "value": "q\n"}, {"from": "gpt", "value": "a 😀"}]
    rows = [
        GOOD,
        {"id": "c1", "score": 0.5, "messages": talk, "meta": {"a": [1, None]}},
        {"conversations": told},
    ]
    texts = [json.dumps(row, ensure_ascii=ascii).encode() for row in rows for ascii in (True, False)]
    ends = np.cumsum([0, *map(len, texts)])
    assert plain_chats(np.frombuffer(b"".join(texts), np.uint8), ends[:-1], ends[1:]).plain.all()


@settings(deadline=None, max_examples=120)
@given(st.binary(max_size=40), st.integers(0, 80), st.integers(0, 40))
def test_bytes_that_are_no_json_are_never_read_past_their_end(noise, at, size):
    good = json.dumps(GOOD).encode()
    broken = good[:at] + noise + good[at + size :]
    data = np.frombuffer(broken, np.uint8)
    found = plain_chats(data, np.array([0]), np.array([len(broken)]))
    assert found.ends[-1] <= len(broken)
