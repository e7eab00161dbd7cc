import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.taken import DOOR, accepted, carried, quarantined, take
from toolkit.errors import ToolkitError
from toolkit.ingest import Forgotten, payload_of
from toolkit.storage import sha256_bytes


def facts(payload, door=DOOR):
    return carried(take(json.dumps(payload).encode(), door=door))


def test_a_bronze_line_carries_all_its_provenance():
    line = b'{"a":1}'
    assert carried(take(line)) == {
        "record_id": sha256_bytes(line),
        "origin": {"path": "f.jsonl", "line": 1, "offset": 0, "length": 7},
        "source_id": "src",
        "source_type": "synthetic",
        "source_rank": 1,
        "license": "mit",
        "consent": True,
        "pii": None,
        "generator_model": None,
        "logical_date": "2026-01-02",
        "run_id": "run",
        "schema_version": 1,
    }


def test_a_quarantined_line_carries_where_it_came_from():
    entry = json.loads(take(b"\n[1]\n").quarantine[0])
    assert entry["origin"] == {"path": "f.jsonl", "line": 2, "offset": 1, "length": 3}


def test_a_quarantined_line_is_identified_by_its_bytes():
    assert json.loads(take(b"\xff\xfe").quarantine[0])["sha256"] == sha256_bytes(b"\xff\xfe")


def test_the_licence_a_record_states_overrides_that_of_its_source():
    assert facts({"a": 1, "license": "cc-by-4.0"})["license"] == "cc-by-4.0"


@pytest.mark.parametrize("stated", [None, 4, ["mit"], "\ud800"], ids=repr)
def test_a_licence_that_is_no_text_does_not(stated):
    assert facts({"license": stated})["license"] == "mit"


@pytest.mark.parametrize(
    "text", ["write to ann@example.org", "a+b@x-y.io", "jürgen@example.de", "<a@b.c>", "@ and then a@b.c"]
)
def test_an_address_makes_personal_data_suspected(text):
    assert facts({"text": text})["pii"] == "suspected"


@pytest.mark.parametrize("text", ["@handle", "a @ b.c", "x@y", "@app.route", "p@ss", "a@.b"])
def test_a_bare_at_sign_does_not(text):
    assert facts({"text": text})["pii"] is None


def test_what_the_spec_knows_of_personal_data_is_not_softened():
    assert facts({"text": "a@b.c"}, replace(DOOR, pii="known"))["pii"] == "known"


def test_a_long_run_without_an_address_takes_no_time():
    start = time.perf_counter()
    take(b'{"a":"%b @"}' % (b"a" * 1_000_000))
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("payload", "model"),
    [
        ({"generator_model": "m1"}, "m1"),
        ({"model": "m2"}, "m2"),
        ({"model": "m2", "generator_model": "m1"}, "m1"),
        ({"model": 3}, None),
        ({"model": "\udc00"}, None),
        ({"text": "x"}, None),
    ],
)
def test_the_model_that_wrote_a_record_is_known_where_it_says_so(payload, model):
    assert facts(payload)["generator_model"] == model


@settings(deadline=None, max_examples=80)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["source_id", "license", "pii"]))
def test_no_text_of_the_spec_breaks_a_bronze_line(text, field):
    door = replace(DOOR, **{field: text + ',"payload":' + text})
    assert accepted(take(b'{"a":1}', door=door))[0][1] == b'{"a":1}'


@pytest.mark.parametrize("name", ['a","payload":b', "a\nb", "\u2028", "é😀", "a\\"], ids=repr)
def test_no_file_name_breaks_a_bronze_line(name):
    part = take(b'{"a":1}', name=name)
    assert accepted(part)[0][0]["path"] == name


@pytest.mark.parametrize("line", [b"", b"{}", b'{"a":1}', b'{"record_id":"x","payload":{"a":1}'[:-2]])
def test_what_is_no_bronze_line_is_refused(line):
    with pytest.raises(ToolkitError, match="not a bronze line"):
        payload_of(line)


LINES = b'{"a":1}\n{"a":2,"license":"gpl"}\n[1]\n'


def without(**what):
    return take(LINES, barred=Forgotten(**{name: frozenset(found) for name, found in what.items()}))


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ({"ids": [sha256_bytes(b'{"a":1}')]}, [b'{"a":2,"license":"gpl"}', b"[1]"]),
        ({"ids": [sha256_bytes(b"[1]")]}, [b'{"a":1}', b'{"a":2,"license":"gpl"}']),
        ({"licenses": ["gpl"]}, [b'{"a":1}', b"[1]"]),
        ({"licenses": ["mit"]}, [b'{"a":2,"license":"gpl"}']),
        ({"licenses": ["other"]}, [b'{"a":1}', b'{"a":2,"license":"gpl"}', b"[1]"]),
    ],
)
def test_what_was_forgotten_stays_out(what, left):
    part = without(**what)
    assert [raw for _, raw in [*accepted(part), *quarantined(part)]] == left


def test_what_was_forgotten_is_in_the_books():
    books = without(licenses=["mit"]).ledger(len(LINES))
    assert books.removed["forgotten"].records == 2
