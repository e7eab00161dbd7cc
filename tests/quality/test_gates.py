import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.quality import GATES, gate
from toolkit.records import CANONICAL, EVIDENCE

GOOD = {"chars": 100, "words": 20, "alpha_share": 0.75}


def said(content):
    return [{"role": "assistant", "content": content, "tool_calls": None}]


def row(number=0, **fields):
    known = {"id": f"id{number}", "regime": "sft", "quality": GOOD, "token_estimate": 7, "source_id": "s"}
    known["origin"] = {"path": "f", "line": number, "offset": 0, "length": 1}
    return {name: {**known, **fields}.get(name) for name in CANONICAL.names}


def table(*rows):
    return pa.Table.from_pylist(list(rows), schema=CANONICAL)


TIE = {"regime": "preference", "chosen": said("x"), "rejected": said("x")}
RULES = {
    "minimum": {"chars": 10, "words": 3, "alpha_share": 0.5},
    "deny_licenses": ["gpl", "none"],
    "deny_generators": ["m1"],
}
FAILING = {
    "filter:license": ({"license": "gpl"}, 1.0, 1.0),
    "filter:generator": ({"generator_model": "m1"}, 1.0, 1.0),
    "filter:tie": (TIE, 1.0, 1.0),
    "filter:min_chars": ({"quality": {**GOOD, "chars": 9}}, 9.0, 10.0),
    "filter:min_words": ({"quality": {**GOOD, "words": 2}}, 2.0, 3.0),
    "filter:min_alpha_share": ({"quality": {**GOOD, "alpha_share": 0.25}}, 0.25, 0.5),
}
PASSING = [
    {"license": None, "generator_model": None},
    {"license": "GPL"},
    {"quality": {"chars": 10, "words": 3, "alpha_share": 0.5}},
    {"chosen": said("x"), "rejected": said("x")},
    {"regime": "preference", "chosen": said("x"), "rejected": said("y")},
    {"regime": "preference", "chosen": said("x"), "rejected": said("x ")},
]


def proof(*rows):
    return gate(table(*rows), **RULES)[1].to_pylist()


def test_every_gate_has_a_case():
    assert list(FAILING) == list(GATES)


@pytest.mark.parametrize("reason", GATES)
def test_each_gate_removes_what_fails_it(reason):
    assert [entry["method"] for entry in proof(row(**FAILING[reason][0]))] == [reason]


@pytest.mark.parametrize("reason", GATES)
def test_the_evidence_holds_the_score_and_the_threshold(reason):
    fields, score, threshold = FAILING[reason]
    (entry,) = proof(row(**fields))
    assert (entry["score"], entry["threshold"]) == (score, threshold)


@pytest.mark.parametrize("fields", PASSING, ids=repr)
def test_a_record_that_fails_no_gate_passes(fields):
    assert gate(table(row(**fields)), **RULES)[0].tolist() == [True]


@pytest.mark.parametrize("first", range(len(GATES)))
def test_the_evidence_names_the_first_gate_that_failed(first):
    fields = {"quality": {"chars": 0, "words": 0, "alpha_share": 0.0}} if first > 2 else {}
    for reason in list(GATES)[first:3]:
        fields |= FAILING[reason][0]
    for number, name in enumerate(("chars", "words", "alpha_share")):
        if first > 3 + number:
            fields["quality"][name] = GOOD[name]
    assert proof(row(**fields))[0]["method"] == list(GATES)[first]


def test_the_evidence_says_where_the_record_came_from():
    (entry,) = proof(row(4, license="gpl"))
    wanted = row(4)
    assert [
        entry[name] for name in ("removed_id", "removed_source", "removed_origin", "regime", "tokens")
    ] == [
        wanted["id"],
        "s",
        wanted["origin"],
        "sft",
        7,
    ]


def test_the_evidence_names_the_denied_licences():
    assert json.loads(proof(row(license="none"))[0]["detail"]) == {"denied": ["gpl", "none"]}


def test_a_limit_that_a_float_cannot_hold_is_held_exactly():
    rows = table(row(quality={**GOOD, "chars": 16_777_216}))
    assert not gate(rows, {"chars": 16_777_217})[0][0]


def test_a_share_equal_to_its_limit_passes():
    rows = table(row(quality={**GOOD, "alpha_share": 0.7}))
    assert gate(rows, {"alpha_share": 0.7})[0].tolist() == [True]


def test_without_rules_all_but_ties_pass():
    rows = table(*[row(n, **fields) for n, (fields, _, _) in enumerate(FAILING.values())])
    assert gate(rows, {})[0].tolist() == [True, True, False, True, True, True]


CASES = st.lists(st.sampled_from([*PASSING, *(fields for fields, _, _ in FAILING.values())]), max_size=12)


@settings(deadline=None, max_examples=60)
@given(CASES)
def test_every_record_either_passes_or_has_evidence_in_row_order(cases):
    rows = [row(number, **fields) for number, fields in enumerate(cases)]
    kept, removed = gate(table(*rows), **RULES)
    gone = [f"id{number}" for number in range(len(rows)) if not kept[number]]
    assert removed["removed_id"].to_pylist() == gone


@settings(deadline=None, max_examples=30)
@given(CASES, st.integers(0, 12))
def test_how_a_table_is_cut_changes_nothing(cases, cut):
    rows = table(*[row(number, **fields) for number, fields in enumerate(cases)])
    parts = pa.concat_tables([rows.slice(0, cut), rows.slice(cut)])
    assert gate(parts, **RULES)[0].tolist() == gate(rows, **RULES)[0].tolist()


def test_no_rows_give_evidence_of_none_in_its_own_schema():
    assert gate(table(), **RULES)[1].schema == EVIDENCE
