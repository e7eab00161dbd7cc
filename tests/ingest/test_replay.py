"""Repaired lines go through the same stages, keep their origin, and count as recovered."""

import base64
import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))

from lakes import small_world, tree

import toolkit
from toolkit.errors import GateError, RequestError, ToolkitError
from toolkit.ingest import payload_of
from toolkit.pipeline.edits import export_line
from toolkit.pipeline.quarantine import export, replay
from toolkit.pipeline.repairs import read_repairs
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


def stopped(lake, fixed, monkeypatch, error=KeyboardInterrupt):
    """A replay that ends with an error before its run has begun; the repair files it leaves."""

    def stop(*_):
        raise error

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr("toolkit.pipeline.ingest.ingest_spec", stop)
        replay(lake, fixed)
    return sorted((lake / "repairs").rglob("*.jsonl"))


def kept_raw(lake):
    return [entry["raw"] for path in (lake / "repairs").rglob("*.jsonl") for entry in read_repairs(path)]


def id_of(lake, n):
    lines = (line for path in shards(lake / "bronze") for line in read_shard(path))
    heads = [(json.loads(head), payload) for head, payload in map(payload_of, lines)]
    return next(head["record_id"] for head, payload in heads if json.loads(payload)["n"] == n)


def test_a_replay_that_was_stopped_is_landed_by_whatever_runs_next(lake, monkeypatch):
    assert len(stopped(lake, fix(lake, TRUNCATED), monkeypatch)) == 1
    toolkit.ingest("a.jsonl", "lake", workers=1)
    assert b'{"n":4}' in [payload for _, payload in bronze(lake)]
    assert toolkit.audit(lake).ok


def test_forgetting_something_else_keeps_a_repair_that_has_not_landed(lake, monkeypatch):
    stopped(lake, fix(lake, TRUNCATED), monkeypatch)
    toolkit.forget(lake, ids=[id_of(lake, 1)], workers=1)
    assert kept_raw(lake) == [b'{"n":4}']
    toolkit.ingest("a.jsonl", "lake", workers=1)
    assert b'{"n":4}' in [payload for _, payload in bronze(lake)]
    assert toolkit.audit(lake).ok


def test_forgetting_something_else_keeps_a_repair_that_has_landed(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    toolkit.forget(lake, ids=[id_of(lake, 1)], workers=1)
    assert kept_raw(lake) == [b'{"n":4}']


def test_a_repair_that_has_not_landed_is_forgotten_by_the_hash_of_its_bytes(lake, monkeypatch):
    stopped(lake, fix(lake, ("json.truncated", {"text": '{"n":1}'})), monkeypatch)
    toolkit.forget(lake, ids=[id_of(lake, 1)], workers=1)
    assert kept_raw(lake) == [None]


def test_a_repair_that_has_not_landed_is_forgotten_by_its_licence(lake, monkeypatch):
    secret, more = ({"text": f'{{"n":{n},"license":"secret"}}'} for n in (4, 5))
    replay(lake, fix(lake, ("json.truncated", secret)), workers=1)
    stopped(lake, fix(lake, ("utf8.invalid", more)), monkeypatch)
    toolkit.forget(lake, license="secret", workers=1)
    assert kept_raw(lake) == [None, None]
    toolkit.ingest("a.jsonl", "lake", workers=1)
    assert toolkit.audit(lake).ok


def test_the_same_broken_line_at_two_places_is_recovered_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(b'{"n":4\n{"n":1}\n{"n":4\n')
    lake = toolkit.ingest("a.jsonl", "lake", workers=1).lake
    replay(lake, fix(lake, TRUNCATED), workers=1)
    assert ingest_books(lake)["recovered"]["json.truncated"]["records"] == 2
    assert toolkit.audit(lake).ok


def twice(tmp_path, monkeypatch):
    """A lake with one broken line at two places, and those places' exported lines."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(b'{"n":4\n{"n":1}\n{"n":4\n')
    lake = toolkit.ingest("a.jsonl", "lake", workers=1).lake
    return lake, [json.loads(line) for line in export(lake)]


def send(lake, *lines):
    Path("fixed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return replay(lake, "fixed.jsonl", workers=1)


def repaired(lake):
    return {origin["line"]: json.loads(payload)["n"] for origin, payload in bronze(lake)}


def test_equal_lines_that_are_repaired_differently_each_get_their_own(tmp_path, monkeypatch):
    lake, (one, other) = twice(tmp_path, monkeypatch)
    run = send(lake, {**other, "text": '{"n":40}'}, {**one, "text": '{"n":4}'})
    assert repaired(lake) == {1: 4, 2: 1, 3: 40}
    assert len(bronze(lake)) == 3
    assert run.notes == ()
    assert ingest_books(lake)["recovered"]["json.truncated"]["records"] == 2
    assert toolkit.audit(lake).ok


def test_a_line_left_alone_is_not_repaired_by_the_edit_of_its_equal(tmp_path, monkeypatch):
    lake, (one, other) = twice(tmp_path, monkeypatch)
    send(lake, one, {**other, "text": '{"n":40}'})
    assert repaired(lake) == {2: 1, 3: 40}


def test_of_repairs_without_a_place_the_first_counts_and_the_others_are_named(tmp_path, monkeypatch):
    lake, (one, _) = twice(tmp_path, monkeypatch)
    run = send(lake, *({"sha256": one["sha256"], "text": f'{{"n":{n}}}'} for n in (4, 40, 4)))
    assert repaired(lake) == {1: 4, 2: 1, 3: 4}
    assert run.notes == ("fixed.jsonl:2 was left out: fixed.jsonl:1 repairs the same line otherwise.",)
    assert f"note: {run.notes[0]}" in repr(run)
    assert run.notes[0] in run._repr_html_()


def test_a_repair_without_a_place_goes_to_the_lines_that_have_none_of_their_own(tmp_path, monkeypatch):
    lake, (one, _) = twice(tmp_path, monkeypatch)
    send(lake, {"sha256": one["sha256"], "text": '{"n":40}'}, {**one, "text": '{"n":4}'})
    assert repaired(lake) == {1: 4, 2: 1, 3: 40}


def test_a_repair_without_a_place_that_no_line_is_left_for_is_named(tmp_path, monkeypatch):
    lake, (one, other) = twice(tmp_path, monkeypatch)
    edits = [{**line, "text": '{"n":4}'} for line in (one, other)]
    run = send(lake, *edits, {"sha256": one["sha256"], "text": '{"n":40}'})
    assert run.notes == ("fixed.jsonl:3 was left out: each line with these bytes has a repair of its own.",)


def test_a_repair_of_another_place_is_refused_by_its_line(tmp_path, monkeypatch):
    lake, (one, _) = twice(tmp_path, monkeypatch)
    before = tree(lake)
    with pytest.raises(RequestError, match=r"fixed.jsonl:1: .* does not lie at 'a.jsonl', line 2\."):
        send(lake, {**one, "origin": {**one["origin"], "line": 2}, "text": '{"n":4}'})
    assert tree(lake) == before


@pytest.mark.parametrize("origin", [None, 1, [], {}, {"path": ["a"]}, {"path": "a.jsonl", "line": True}])
def test_an_origin_that_says_no_place_is_none(tmp_path, monkeypatch, origin):
    lake, (one, _) = twice(tmp_path, monkeypatch)
    send(lake, {**one, "origin": origin, "text": '{"n":4}'})
    assert repaired(lake) == {1: 4, 2: 1, 3: 4}


def test_equal_lines_of_two_sources_each_get_their_own(tmp_path, monkeypatch):
    lake, _ = twice(tmp_path, monkeypatch)
    toolkit.ingest("a.jsonl", "lake", source="other", workers=1)
    lines = [json.loads(line) for line in export(lake)]
    send(lake, *({**line, "text": f'{{"n":{100 + k}}}'} for k, line in enumerate(lines)))
    placed = {(line["source_id"], line["origin"]["line"]): 100 + k for k, line in enumerate(lines)}
    split = [payload_of(line) for path in shards(lake / "bronze") for line in read_shard(path)]
    heads = [(json.loads(head), json.loads(payload)["n"]) for head, payload in split]
    assert {(h["source_id"], h["origin"]["line"]): n for h, n in heads if n >= 100} == placed


def test_bytes_that_are_no_text_repair_nothing_when_they_are_not_edited(lake):
    Path("fixed.jsonl").write_text("".join(line + "\n" for line in export(lake)))
    with pytest.raises(RequestError, match="changes no line"):
        replay(lake, "fixed.jsonl")
    assert not (lake / "repairs").exists()


def refused(tmp_path, monkeypatch):
    """A lake whose limit refuses repairs that are none, and these."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    lake = toolkit.ingest("a.jsonl", "lake", settings=Ingest(max_reject_share=0.25), workers=1).lake
    return lake, fix(lake, *((reason, {"text": f"[{reason!r}]"}) for reason, _ in (TRUNCATED, BAD_BYTE)))


def test_repairs_that_the_gate_refuses_stand_in_no_later_runs_way(tmp_path, monkeypatch):
    lake, bad = refused(tmp_path, monkeypatch)
    before, lines = tree(lake), list(export(lake))
    with pytest.raises(GateError):
        replay(lake, bad, workers=1)
    assert list(export(lake)) == lines
    toolkit.ingest("a.jsonl", "lake", settings=Ingest(max_reject_share=0.25), workers=1)
    assert tree(lake) == before
    assert toolkit.audit(lake).ok


def test_repairs_that_were_stopped_and_then_refused_are_taken_back(tmp_path, monkeypatch):
    lake, bad = refused(tmp_path, monkeypatch)
    stopped(lake, bad, monkeypatch)
    with pytest.raises(GateError):
        replay(lake, bad, workers=1)
    assert kept_raw(lake) == []


def test_repairs_that_landed_stay_when_others_are_refused(tmp_path, monkeypatch):
    lake, bad = refused(tmp_path, monkeypatch)
    good = shutil.copy(bad, "good.jsonl")
    first = json.loads(Path(good).read_text().splitlines()[0])
    Path(good).write_text(json.dumps({**first, "text": '{"n":99}'}) + "\n")
    replay(lake, good, workers=1)
    with pytest.raises(GateError):
        replay(lake, bad, workers=1)
    assert kept_raw(lake) == [b'{"n":99}']


@pytest.mark.parametrize("source", ["../../outside", "other", "/tmp/outside"])
def test_a_repair_goes_to_no_source_but_the_lakes_own(lake, source):
    (path,) = (lake / "quarantine").rglob("*.jsonl")
    fixed = fix(lake, TRUNCATED)
    path.write_bytes(path.read_bytes().replace(b'"source_id":"files"', f'"source_id":"{source}"'.encode()))
    before = tree(lake)
    with pytest.raises(RequestError, match="no source of its spec"):
        replay(lake, fixed)
    assert tree(lake) == before


def test_repairs_are_read_from_no_other_folder(lake):
    replay(lake, fix(lake, TRUNCATED), workers=1)
    path = lake / "deliveries.json"
    path.write_text(path.read_text().replace("repairs/files/", "repairs/../../"))
    with pytest.raises(ToolkitError, match="which are not in"):
        toolkit.quarantine(lake)


def test_what_a_killed_writer_left_in_quarantine_is_not_read(lake):
    (path,) = (lake / "quarantine").rglob("*.jsonl")
    path.with_name(f".tmp-1-{path.name}").write_bytes(path.read_bytes()[:50])
    assert len(list(export(lake))) == 2


def test_an_exported_line_shows_people_their_text_and_a_terminal_nothing_to_obey():
    text = "日本語 é\u3000🙂\x1b[2J\x7f\x9b\u202e\u2066\u200f\u2028\ud83d\U000e0001\\"
    raw = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
    entry = dict.fromkeys(("sha256", "source_id", "stage", "reason"), "x")
    line = export_line({**entry, "detail": "\udcff\x85", "origin": {"path": "\x1b"}, "raw": raw})
    assert all(c.isprintable() or c == "\u3000" for c in line)
    assert "日本語 é\u3000🙂" in line
    expected = text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
    assert json.loads(line) == {**entry, "detail": "\udcff\x85", "origin": {"path": "\x1b"}, "text": expected}


@pytest.mark.parametrize("line", [b'{"sha256":[],"text":"{}"}', b'{"sha256":"0","record":' + b"[" * 100_000])
def test_a_repair_that_cannot_be_read_is_refused_by_its_line(lake, line):
    Path("fixed.jsonl").write_bytes(b"\n" + line + b"\n")
    with pytest.raises(RequestError, match=r"fixed.jsonl:2: expected an object"):
        replay(lake, "fixed.jsonl")


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
