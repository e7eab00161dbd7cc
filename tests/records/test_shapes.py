import json
import re

import pytest

from records.turns import said, system, turn, user
from toolkit.records import MAP_FIELDS, SchemaError, canonical, recognise
from toolkit.records.shapes import SHAPES, final_answer

HI, YO = user("hi"), said("yo")
NUMBER = {"kind": "exact_match", "spec": '{"compare":"number"}'}
TEXT = {"kind": "exact_match", "spec": '{"compare":"text"}'}
OPEN_AI = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
SHARE_GPT = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]
PROGRAM = {"prompt": "def f():", "canonical_solution": " pass", "test": "assert f", "entry_point": "f"}
UNIT_TEST = {"kind": "unit_test", "spec": '{"test":"assert f","entry_point":"f"}'}


def sft(*turns, answer=None, verifier=None):
    return {"regime": "sft", "messages": list(turns), "answer": answer, "verifier": verifier}


def rl(*prompt, answer, verifier):
    return {"regime": "rl", "prompt": list(prompt), "answer": answer, "verifier": verifier}


def pair(prompt, chosen, rejected):
    return {"regime": "preference", "prompt": prompt, "chosen": chosen, "rejected": rejected}


NONE = {"difficulty": None, "lang": None}

RECORDS = {
    "messages": ({"messages": OPEN_AI}, sft(HI, YO)),
    "messages and an answer": ({"messages": OPEN_AI, "answer": "4"}, rl(HI, answer="4", verifier=NUMBER)),
    "conversations": ({"conversations": SHARE_GPT}, sft(HI, YO)),
    "conversations with a system beside them": (
        {"system": "S", "conversations": SHARE_GPT},
        sft(system("S"), HI, YO),
    ),
    "instruction": ({"instruction": "hi", "output": "yo"}, sft(HI, YO)),
    "instruction with input": (
        {"instruction": "add", "input": "1 2", "output": "3"},
        sft(user("add\n\n1 2"), said("3")),
    ),
    "instruction with empty input": ({"instruction": "hi", "input": "", "response": "yo"}, sft(HI, YO)),
    "instruction with null input": ({"instruction": "hi", "input": None, "completion": "yo"}, sft(HI, YO)),
    "instances": (
        {"instruction": "do", "instances": [{"input": "a", "output": "b"}, {"input": "", "output": "c"}]},
        sft(user("do\n\na"), said("b"), user("do"), said("c")),
    ),
    "question": (
        {"question": "hi", "answer": "2+2\n#### 4"},
        sft(HI, said("2+2\n#### 4"), answer="4", verifier=NUMBER),
    ),
    "question with a verifier": (
        {"question": "hi", "answer": "4", "verifier": "math"},
        rl(HI, answer="4", verifier={**NUMBER, "kind": "math"}),
    ),
    "prompt and response": ({"prompt": "hi", "response": "yo"}, sft(HI, YO)),
    "prompt and completion": ({"prompt": "hi", "completion": "yo", "system": "S"}, sft(system("S"), HI, YO)),
    "prompt and messages as output": ({"prompt": OPEN_AI[:1], "output": OPEN_AI[1:]}, sft(HI, YO)),
    "prompt and a worked response": (
        {"prompt": "hi", "response": "so #### x y"},
        sft(HI, said("so #### x y"), answer="x y", verifier=TEXT),
    ),
    "prompt and answer": ({"prompt": "hi", "answer": "4"}, rl(HI, answer="4", verifier=NUMBER)),
    "prompt and a number": ({"prompt": "hi", "ground_truth": 42}, rl(HI, answer="42", verifier=NUMBER)),
    "prompt and a false answer": ({"prompt": "hi", "solution": False}, rl(HI, answer="false", verifier=TEXT)),
    "prompt and a list": ({"prompt": "hi", "answer": ["é", 1]}, rl(HI, answer='["é",1]', verifier=TEXT)),
    "prompt and a verifier of its own": (
        {"prompt": "hi", "verifier": {"type": "regex", "pattern": "a"}},
        rl(HI, answer=None, verifier={"kind": "regex", "spec": '{"pattern":"a"}'}),
    ),
    "prompt and a verifier with a spec": (
        {"prompt": "hi", "verifier": {"kind": "code", "spec": "x"}},
        rl(HI, answer=None, verifier={"kind": "code", "spec": "x"}),
    ),
    "program": (PROGRAM, rl(user("def f():"), answer=" pass", verifier=UNIT_TEST)),
    "pair of texts": ({"prompt": "hi", "chosen": "a", "rejected": "b"}, pair([HI], [said("a")], [said("b")])),
    "pair of conversations": (
        {
            "prompt": "hi",
            "chosen": OPEN_AI,
            "rejected": [*OPEN_AI[:1], {"role": "assistant", "content": "no"}],
        },
        pair([HI], [YO], [said("no")]),
    ),
    "pair of transcripts": (
        {"chosen": "\n\nHuman: hi\n\nAssistant: a", "rejected": "\n\nHuman: hi\n\nAssistant: b"},
        pair([HI], [said("a")], [said("b")]),
    ),
    "pair with a cue in the prompt": (
        {"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": " a", "rejected": " b"},
        pair([HI], [said(" a")], [said(" b")]),
    ),
    "pair of single messages": (
        {"prompt": "hi", "chosen": OPEN_AI[1], "rejected": {"from": "gpt", "value": "no"}},
        pair([HI], [YO], [said("no")]),
    ),
    "pair that goes on after its first answer": (
        {"prompt": "hi", "chosen": [YO, user("u"), said("a")], "rejected": [YO, user("u"), said("b")]},
        pair([HI, YO, user("u")], [said("a")], [said("b")]),
    ),
    "pair that parts at a user's turn": (
        {"chosen": [HI, YO, user("u"), said("a")], "rejected": [HI, YO, user("v"), said("b")]},
        pair([HI], [YO, user("u"), said("a")], [YO, user("v"), said("b")]),
    ),
    "pair with a system beside it": (
        {"system": "S", "prompt": "hi", "chosen": [HI, YO], "rejected": [HI, said("no")]},
        pair([system("S"), HI], [YO], [said("no")]),
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_shape_gives_its_record(name):
    payload, expected = RECORDS[name]
    assert canonical(payload, "auto") == {**NONE, **expected}


@pytest.mark.parametrize(
    ("payload", "regime", "expected"),
    [
        ({"messages": OPEN_AI, "answer": "4"}, "sft", sft(HI, YO, answer="4", verifier=NUMBER)),
        ({"question": "hi", "answer": "4"}, "rl", rl(HI, answer="4", verifier=NUMBER)),
        ({"prompt": "hi", "response": "#### 4"}, "rl", rl(HI, answer="4", verifier=NUMBER)),
        (PROGRAM, "sft", sft(user("def f():"), said(" pass"), answer=" pass", verifier=UNIT_TEST)),
        (
            {"messages": [*OPEN_AI, {"role": "user", "content": "u"}], "answer": "4"},
            "rl",
            rl(HI, YO, user("u"), answer="4", verifier=NUMBER),
        ),
        ({"messages": OPEN_AI[:1], "answer": "4"}, "rl", rl(HI, answer="4", verifier=NUMBER)),
    ],
)
def test_a_shape_is_projected_onto_the_regime_that_is_asked_for(payload, regime, expected):
    assert canonical(payload, regime) == {**NONE, **expected}


def test_every_shape_has_a_record():
    covered = {next(i for i, (keys, _) in enumerate(SHAPES) if keys_in(keys, p)) for p, _ in RECORDS.values()}
    assert covered == set(range(len(SHAPES)))


def keys_in(keys, payload):
    return all(key in payload for key in keys)


@pytest.mark.parametrize(
    ("payload", "nearest"),
    [
        ({"question": "q", "response": "r"}, "{question, answer}, which lacks answer"),
        ({"chosen": "a"}, "{chosen, rejected}, which lacks rejected"),
        ({"rejected": "a", "reply": "b"}, "{chosen, rejected}, which lacks chosen"),
        ({"instances": []}, "{instruction, instances}, which lacks instruction"),
        ({"canonical_solution": "", "test": "", "entry_point": ""}, "which lacks prompt"),
        ({"Messages": OPEN_AI}, "which lacks messages"),
        ({"text": "a whole document"}, "the record has text;"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_near_miss_is_refused_with_the_nearest_shape(payload, nearest):
    with pytest.raises(SchemaError, match=re.escape(nearest)) as found:
        recognise(payload)
    assert found.value.reason == "schema.unrecognised"


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("a\n#### 42", "42"),
        ("#### 1 #### 2", "2"),
        ("####-3.5 \n", "-3.5"),
        ("#### $1,000\n\n", "$1,000"),
        ("##### 7", "7"),
        ("#### two words", "two words"),
        ("####\n8", "8"),
        ("#### ", None),
        ("####\n", None),
        ("no mark", None),
        ("### 3", None),
        ("", None),
    ],
)
def test_the_final_answer_follows_the_last_mark(solution, answer):
    assert final_answer(solution) == answer


@pytest.mark.parametrize(
    ("answer", "compare"),
    [
        ("1", "number"),
        ("-1,234.5", "number"),
        (".5", "number"),
        ("$3", "number"),
        ("50%", "number"),
        ("+0", "number"),
        ("5.", "text"),
        ("1/2", "text"),
        ("x", "text"),
        ("1 2", "text"),
        (",", "text"),
        ("1e5", "text"),
        ("-", "text"),
    ],
)
def test_a_number_is_compared_as_a_number(answer, compare):
    assert json.loads(canonical({"prompt": "q", "answer": answer}, "rl")["verifier"]["spec"]) == {
        "compare": compare
    }


def test_a_long_run_of_digits_or_spaces_takes_no_time():
    assert canonical(
        {"prompt": "q", "answer": "1" * 200_000 + "x" + " " * 200_000 + "#### " + " " * 200_000 + "y"}, "rl"
    )


@pytest.mark.parametrize(
    ("mapping", "payload"),
    [
        ({"prompt": ["q"], "response": ["a"]}, {"q": "hi", "a": "yo"}),
        (
            {"prompt": ["in.q"], "response": ["out.best.text"]},
            {"in": {"q": "hi"}, "out": {"best": {"text": "yo"}}},
        ),
        ({"prompt": ["x", "q"], "response": ["a"]}, {"q": "hi", "a": "yo"}),
        ({"prompt": ["q", "x"], "response": ["a"]}, {"q": "hi", "x": "no", "a": "yo"}),
        ({"prompt": ["a.b"], "response": ["a"]}, {"a.b": "hi", "a": "yo"}),
        ({"messages": ["chat"]}, {"chat": OPEN_AI}),
        ({"prompt": ["chosen"], "response": ["rejected"]}, {"chosen": "hi", "rejected": "yo", "messages": 1}),
    ],
    ids=[
        "names",
        "dotted",
        "second of two",
        "first of two",
        "a dot in a name",
        "messages",
        "names of a shape",
    ],
)
def test_a_map_says_where_the_fields_are(mapping, payload):
    assert canonical(payload, "sft", mapping)["messages"] == [HI, YO]


@pytest.mark.parametrize("name", MAP_FIELDS)
def test_a_mapped_field_that_is_missing_is_refused_by_name(name):
    with pytest.raises(SchemaError, match=r"no field a\.b or c; the record has x") as found:
        recognise({"x": 1}, {name: ["a.b", "c"]})
    assert found.value.reason == f"schema.missing_{name}"


@pytest.mark.parametrize("payload", [{"a": "text"}, {"a": None}, {"a": [{"b": "hi"}]}])
def test_a_dotted_path_does_not_lead_through_what_is_no_object(payload):
    with pytest.raises(SchemaError, match="missing_prompt"):
        recognise(payload, {"prompt": ["a.b"]})


def test_a_map_keeps_the_verifier_the_difficulty_and_the_system():
    payload = {"q": "hi", "system": "S", "verifier": {"kind": "k", "spec": "s"}, "difficulty": 2}
    assert canonical(payload, "auto", {"prompt": ["q"]}) == {
        **rl(system("S"), HI, answer=None, verifier={"kind": "k", "spec": "s"}),
        "difficulty": 2.0,
        "lang": None,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), (0.5, 0.5), (True, None), ("3", None), (10**400, None), (1e300, None), (None, None)],
)
def test_a_difficulty_is_a_number_that_fits_or_nothing(value, expected):
    assert canonical({"prompt": "hi", "response": "yo", "difficulty": value}, "sft")["difficulty"] == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lang": "de"}, "de"),
        ({"language": "fr"}, "fr"),
        ({"lang": "de", "language": "fr"}, "de"),
        ({"lang": 1}, None),
    ],
)
def test_a_language_is_taken_where_it_is_stated(fields, expected):
    assert canonical({"prompt": "hi", "response": "yo", **fields}, "sft")["lang"] == expected


def test_a_tool_call_and_its_result_are_kept_in_order():
    call = [{"id": "1", "function": {"name": "f", "arguments": "{é}"}}]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": call},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "yo"},
    ]
    calls = '[{"id":"1","function":{"name":"f","arguments":"{é}"}}]'
    expected = [HI, turn("assistant", "", calls), turn("tool", "4"), YO]
    assert canonical({"messages": turns}, "sft")["messages"] == expected


@pytest.mark.parametrize(("number", "answer"), [(1.5, "1.5"), (42, "42"), (-0.0, "-0.0")])
def test_a_question_with_a_number_for_an_answer_is_a_prompt_to_verify(number, answer):
    record = canonical({"question": "how much?", "answer": number}, "auto")
    assert (record["regime"], record["answer"]) == ("rl", answer)
