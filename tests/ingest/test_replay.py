"""Repaired lines go through the same stages, keep their origin, and count as recovered."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))

from lakes import small_world, tree

import toolkit
from toolkit.errors import GateError, RequestError
from toolkit.ingest import payload_of
from toolkit.pipeline.quarantine import export, replay
from toolkit.pipeline.spec.tables import Ingest
from toolkit.storage import read_json, read_shard, shards

GOOD = [b'{"n":%d}' % n for n in range(8)]
LINES = [*GOOD[:3], b'{"n":"\xff"}', b'{"n":4', *GOOD[5:]]


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    return toolkit.ingest("a.jsonl", "lake", workers=1).lake


def fix(lake, *repairs):
    """Write repairs for the quarantined lines whose reason begins so."""
    wanted = dict(repairs)
    lines = [json.loads(line) for line in export(lake)]
    fixed = [{**line, **wanted[line["reason"]]} for line in lines if line["reason"] in wanted]
    Path("fixed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in fixed))
    return Path("fixed.jsonl")


def bronze(lake):
    split = [payload_of(line) for path in shards(lake / "bronze") for line in read_shard(path)]
    return [(json.loads(head)["origin"], payload) for head, payload in split]


def ingest_books(lake):
    return read_json(lake / "MANIFEST.json")["ledgers"][0]


TRUNCATED, BAD_BYTE = ("json.truncated", {"text": '{"n":4}'}), ("utf8.invalid", {"record": {"n": 3}})


def test_a_repaired_line_lands_at_the_place_of_the_one_it_repairs(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    place = {"path": "a.jsonl", "line": 5, "offset": sum(map(len, LINES[:4])) + 4, "length": 6}
    assert (place, b'{"n":4}') in bronze(lake)
    assert toolkit.audit(lake).ok


def test_the_ledger_says_that_it_was_recovered(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    books = ingest_books(lake)
    assert books["recovered"].keys() == {"json.truncated"}
    assert books["quarantined"]["json.truncated"]["records"] == 1
    assert (books["in"]["records"], books["out"]["records"]) == (9, 7)


def test_the_list_counts_what_was_recovered(lake):
    replay(lake, fix(lake, TRUNCATED, BAD_BYTE), workers=1)
    assert [row[2:] for row in toolkit.quarantine(lake).rows()] == [
        ("json.truncated", 1, 1), ("utf8.invalid", 1, 1),
    ]  # fmt: skip


def test_a_repair_that_is_none_is_quarantined_again_and_recovers_nothing(lake):
    replay(lake, fix(lake, ("json.truncated", {"text": "[4]"})), workers=1)
    books = ingest_books(lake)
    assert books["recovered"] == {}
    assert books["quarantined"]["json.not_object"]["records"] == 1
    assert toolkit.audit(lake).ok


def test_repairs_come_one_after_another_and_the_same_ones_land_once(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    replay(lake, fix(lake, TRUNCATED), workers=1)
    replay(lake, fix(lake, BAD_BYTE), workers=1)
    assert sorted(json.loads(payload)["n"] for _, payload in bronze(lake)) == list(range(8))
    assert toolkit.audit(lake).ok


def test_a_later_delivery_keeps_the_repairs(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    with Path("a.jsonl").open("ab") as file:
        file.write(b'{"n":99}\n')
    toolkit.ingest("a.jsonl", "lake", workers=1)
    assert {json.loads(payload)["n"] for _, payload in bronze(lake)} >= {4, 99}
    assert ingest_books(lake)["recovered"].keys() == {"json.truncated"}


def test_nothing_to_do_changes_nothing(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    before = tree(lake)
    assert not toolkit.ingest("a.jsonl", "lake", workers=1).worked
    assert tree(lake) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"sha256": "0" * 64, "text": "{}"}, "nothing in quarantine has the sha256"),
        ({"text": "{}"}, "expected an object with the sha256"),
        ([], "expected an object with the sha256"),
    ],
)
def test_a_repair_of_nothing_is_refused_by_its_line(lake, line, message):
    Path("fixed.jsonl").write_text(json.dumps(line) + "\n")
    before = tree(lake)
    with pytest.raises(RequestError, match=rf"fixed.jsonl:1: .*{message}"):
        replay(lake, "fixed.jsonl")
    assert tree(lake) == before


def test_lines_that_were_not_edited_are_refused(lake):
    Path("fixed.jsonl").write_text(next(line for line in export(lake) if "truncated" in line) + "\n")
    with pytest.raises(RequestError, match="changes no line"):
        replay(lake, "fixed.jsonl")


def test_repairs_bring_a_run_below_its_limit_that_had_stopped_above_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    with pytest.raises(GateError, match="2 of 8 lines were rejected"):
        toolkit.ingest("a.jsonl", "lake", settings=Ingest(max_reject_share=0.1), workers=1)
    lake = replay("lake", fix(Path("lake"), TRUNCATED, BAD_BYTE), workers=1).lake
    assert len(bronze(lake)) == 8
    assert toolkit.audit(lake).ok


def test_a_forgotten_repair_leaves_nothing_but_its_hash(lake):
    replay(lake, fix(lake, ("json.truncated", {"text": '{"n":4,"license":"secret"}'})), workers=1)
    toolkit.forget(lake, license="secret", workers=1)
    assert toolkit.audit(lake).ok
    assert "secret" not in "".join(
        path.read_text("utf-8", "replace") for path in (lake / "repairs").rglob("*.jsonl")
    )
    assert b'{"n":4,' not in b"".join(payload for _, payload in bronze(lake))


def test_a_line_that_no_schema_knew_is_repaired_through_the_whole_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake = toolkit.run(small_world(tmp_path), workers=1).lake
    (entry,) = [json.loads(line) for line in export(lake) if json.loads(line)["stage"] == "records"]
    record = {"prompt": "what is repaired", "response": "a line that nobody knew before it was repaired"}
    Path("fixed.jsonl").write_text(json.dumps({"sha256": entry["sha256"], "record": record}) + "\n")
    replay(lake, "fixed.jsonl", workers=1)
    books = {ledger["stage"]: ledger for ledger in read_json(lake / "MANIFEST.json")["ledgers"]}
    assert books["records"]["recovered"][entry["reason"]]["records"] == 1
    assert books["packing"]["out"]["records"] == 87
    assert toolkit.audit(lake).ok
