"""A trace shows every hop of a record, or where and why it ended; a quarantine counts and shows."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import small_world

import toolkit
from toolkit.errors import RequestError
from toolkit.pipeline.difference import difference


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return toolkit.run(small_world(tmp_path_factory.mktemp("trace")), workers=1).lake


def layers(journey):
    return [hop.layer for hop in journey.hops]


def test_a_survivor_goes_through_bronze_silver_and_gold(lake):
    (journey,) = toolkit.trace(lake, "a.jsonl:1").journeys
    assert layers(journey) == ["bronze", "silver", "gold"]
    assert journey.end == "gold: gold/sft/part-00000.parquet"


def test_gold_shows_the_text_it_came_from_and_what_is_trained(lake):
    facts = dict(toolkit.trace(lake, "a.jsonl:2").journeys[0].hops[-1].facts)
    assert facts["decoded"].startswith(
        "<|im_start|>user\\nabout 1<|im_end|>\\n<|im_start|>assistant\\nchat1x0 "
    )
    assert facts["trained text"].startswith("chat1x0 ")
    assert facts["trained text"].endswith("chat1x39<|im_end|>")


def test_a_prefix_of_an_id_is_enough(lake):
    record_id = toolkit.trace(lake, "a.jsonl:1").journeys[0].record_id
    assert toolkit.trace(lake, record_id[:12]).journeys[0].record_id == record_id


def test_the_same_payload_in_two_sources_is_two_journeys(lake):
    record_id = toolkit.trace(lake, "a.jsonl:6").journeys[0].record_id
    ends = {j.source_id: j.end for j in toolkit.trace(lake, record_id).journeys}
    assert ends == {"a": "gold: gold/sft/part-00000.parquet", "b": "removed: duplicate_payload"}


def test_a_near_duplicate_names_its_survivor_and_the_exact_similarity(lake):
    facts = dict(toolkit.trace(lake, "b.jsonl:31").journeys[0].hops[-1].facts)
    assert facts["method"] == "near"
    assert "a.jsonl:4" in facts["kept"]
    assert '"intersection": 38, "union": 39' in facts["detail"]
    assert facts["difference"].count("[-") + facts["difference"].count("{+") == 1


def test_a_contaminated_record_names_the_item_and_the_span(lake):
    facts = dict(toolkit.trace(lake, "b.jsonl:8").journeys[0].hops[-1].facts)
    assert facts["method"] == "contaminated"
    assert '"set": "eval", "item": 0' in facts["detail"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("a.jsonl:31", "json.truncated"),
        ("a.jsonl:32", "json.not_object"),
        ("b.jsonl:33", "schema.unrecognised"),
    ],
)
def test_a_rejected_line_ends_in_quarantine_with_its_reason(lake, place, reason):
    assert toolkit.trace(lake, place).journeys[0].end == f"quarantined: {reason}"


@pytest.mark.parametrize("query", ["a.jsonl:99", "nope.jsonl:1", "ffffffff"])
def test_what_was_never_there_is_said_with_what_is(lake, query):
    with pytest.raises(RequestError, match=r"no record .* Source files: a.jsonl, b.jsonl"):
        toolkit.trace(lake, query)


@pytest.mark.parametrize("query", ["xyz", "ab", ""])
def test_a_query_that_is_neither_id_nor_place_is_refused(lake, query):
    with pytest.raises(RequestError, match="neither an id"):
        toolkit.trace(lake, query)


def test_quarantine_counts_by_stage_source_and_reason(lake):
    assert toolkit.quarantine(lake).counts == {
        ("ingest", "a", "json.truncated"): 1,
        ("ingest", "a", "json.not_object"): 1,
        ("records", "b", "schema.unrecognised"): 1,
    }


def test_quarantine_shows_the_exact_bytes_of_the_chosen_reason(lake):
    (line,) = toolkit.quarantine(lake, reason="json.truncated").lines
    assert line["raw"] == b'{"broken": '


def test_a_reason_can_be_given_by_its_first_part(lake):
    assert len(toolkit.quarantine(lake, reason="json").lines) == 2


WORDS = st.lists(st.sampled_from("abcde"), max_size=12).map(" ".join)


@settings(deadline=None, max_examples=200)
@given(removed=WORDS, kept=WORDS)
def test_a_difference_holds_both_texts(removed, kept):
    shown = difference(removed, kept)
    assert " ".join(re.sub(r"{\+.*?\+}", "", shown).replace("[-", "").replace("-]", "").split()) == removed
    assert " ".join(re.sub(r"\[-.*?-\]", "", shown).replace("{+", "").replace("+}", "").split()) == kept


def test_a_long_stretch_that_both_share_is_cut_short_and_long_texts_are_not_compared():
    same = [f"w{i}" for i in range(50)]
    shown = difference(" ".join(["x", *same, "y"]), " ".join(["x", *same, "z"]))
    assert shown == "… w44 w45 w46 w47 w48 w49 [-y-] {+z+}"
    assert difference("a " * 5000, "b").startswith("not shown: 5,000 and 1 words")
