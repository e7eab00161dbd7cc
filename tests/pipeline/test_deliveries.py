"""A lake is what it was given, in that order: what is known is not read again, what changed lands beside."""

import io
import json
import os
import time
from pathlib import Path

import pytest
from lakes import small_world, tree, write_lines

import toolkit
from toolkit.errors import GateError, RequestError, ToolkitError
from toolkit.ingest import payload_of
from toolkit.pipeline import arrivals
from toolkit.pipeline.delivered_again import delivered_again
from toolkit.pipeline.spec.tables import Ingest
from toolkit.pipeline.watermarks import mark_of
from toolkit.storage import Ledger, PartManifest, read_json, read_shard, shards

SMALL = Ingest(shard_bytes=1024, max_line_bytes=4096)


def lines(start, stop, **more):
    return [{"uuid": f"u{n}", "n": n, **more} for n in range(start, stop)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def land(*paths, **options):
    return toolkit.ingest(list(paths), "lake", workers=1, **{"settings": SMALL, **options})


def payloads(lake=Path("lake")):
    found = [payload_of(line)[1] for path in shards(lake / "bronze") for line in read_shard(path)]
    return [json.loads(payload) for payload in found]


def books(stage):
    ledgers = read_json(Path("lake/MANIFEST.json"))["ledgers"]
    return next(ledger for ledger in ledgers if ledger["stage"] == stage)


def files():
    return read_json(Path("lake/deliveries.json"))["files"]["files"]


def old(path):
    """Wait until the file is old enough for its marks to be trusted."""
    while mark_of(Path(path)) is None:
        time.sleep(0.02)


def test_of_a_file_that_grew_only_what_was_added_lands():
    write_lines(Path("a.jsonl"), lines(0, 100))
    land("a.jsonl")
    before = {path: path.stat().st_ino for path in shards(Path("lake"))}
    write_lines(Path("a.jsonl"), lines(0, 130))
    land("a.jsonl")
    assert [row["n"] for row in payloads()] == list(range(130))
    assert {path: path.stat().st_ino for path in before} == before
    assert [(file["start"] > 0, file["delivery"]) for file in files()] == [(False, 0), (True, 1)]
    assert toolkit.audit("lake").ok


def test_lines_of_what_was_added_are_numbered_within_the_file():
    write_lines(Path("a.jsonl"), lines(0, 10))
    land("a.jsonl")
    write_lines(Path("a.jsonl"), lines(0, 12))
    land("a.jsonl")
    origins = [
        json.loads(payload_of(line)[0])["origin"] for p in shards(Path("lake")) for line in read_shard(p)
    ]
    data = Path("a.jsonl").read_bytes()
    assert [origin["line"] for origin in origins] == list(range(1, 13))
    assert all(
        json.loads(data[o["offset"] : o["offset"] + o["length"]])["n"] == o["line"] - 1 for o in origins
    )


def test_a_file_that_grew_again_and_again_is_whole():
    for stop in (5, 9, 40, 41):
        write_lines(Path("a.jsonl"), lines(0, stop))
        land("a.jsonl")
    assert [row["n"] for row in payloads()] == list(range(41))
    assert toolkit.audit("lake").ok


def test_a_new_file_lands_beside_and_the_old_one_is_not_touched():
    write_lines(Path("d/b.jsonl"), lines(0, 50))
    land("d")
    before = tree(Path("lake/bronze"))
    write_lines(Path("d/a.jsonl"), lines(50, 90))
    land("d")
    assert before.items() <= tree(Path("lake/bronze")).items()
    assert sorted(row["n"] for row in payloads()) == list(range(90))


def test_a_correction_lands_beside_the_original():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl")
    write_lines(Path("a.jsonl"), [*lines(0, 2), {"uuid": "u2", "n": 22}])
    land("a.jsonl")
    assert [row["n"] for row in payloads()] == [0, 1, 2, 0, 1, 22]
    assert books("identity")["removed"]["duplicate_payload"]["records"] == 2
    assert books("identity")["out"]["records"] == 4
    assert toolkit.audit("lake").ok


def test_of_records_with_one_declared_id_the_one_delivered_last_stays():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl", declared_id="uuid")
    write_lines(Path("a.jsonl"), [*lines(0, 2), {"uuid": "u2", "n": 22}])
    land("a.jsonl", declared_id="uuid")
    removed = books("identity")["removed"]
    assert {method: group["records"] for method, group in removed.items()} == {
        "duplicate_id": 1,
        "duplicate_payload": 2,
    }
    assert sorted(r["payload"]["n"] for r in toolkit.ingest.records("lake")) == [0, 1, 22]


def test_a_file_delivered_again_under_another_name_lands_nothing():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl")
    write_lines(Path("z.jsonl"), lines(0, 30))
    land("a.jsonl", "z.jsonl")
    assert len(payloads()) == 30
    assert files()[1]["same_as"] == "a.jsonl"
    assert books("ingest")["removed"]["delivered_again"]["records"] == 30
    assert toolkit.audit("lake").ok


def test_a_file_delivered_again_that_had_grown_is_counted_whole():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl")
    write_lines(Path("a.jsonl"), lines(0, 50))
    land("a.jsonl")
    write_lines(Path("z.jsonl"), lines(0, 50))
    land("a.jsonl", "z.jsonl")
    assert books("ingest")["removed"]["delivered_again"]["records"] == 50
    assert toolkit.audit("lake").ok


def test_raw_files_may_go_once_they_have_landed():
    write_lines(Path("d/a.jsonl"), lines(0, 30))
    land("d")
    Path("d/a.jsonl").unlink()
    write_lines(Path("d/b.jsonl"), lines(30, 40))
    land("d")
    assert sorted(row["n"] for row in payloads()) == list(range(40))


def test_a_part_whose_raw_bytes_are_gone_cannot_be_made_anew_and_says_so():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl")
    write_lines(Path("a.jsonl"), lines(5, 9))
    with pytest.raises(RequestError, match="no longer there as it was delivered"):
        land("a.jsonl", license="MIT")
    assert [row["n"] for row in payloads()][:30] == list(range(30))


def test_another_licence_of_the_source_is_carried_by_every_record():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl")
    land("a.jsonl", license="MIT")
    assert {row["license"] for row in toolkit.ingest.records("lake")} == {"MIT"}


def test_another_size_of_shards_gives_the_lake_that_had_it_from_the_start(tmp_path):
    write_lines(Path("a.jsonl"), lines(0, 200))
    land("a.jsonl")
    other = Ingest(shard_bytes=2048, max_line_bytes=4096)
    land("a.jsonl", settings=other)
    fresh = toolkit.ingest("a.jsonl", "other", settings=other, workers=1).lake
    same = {name: sha for name, sha in tree(Path("lake")).items() if name != "spec.toml"}
    assert same == {name: sha for name, sha in tree(fresh).items() if name != "spec.toml"}


def test_another_size_of_shards_is_refused_when_the_bytes_are_gone():
    write_lines(Path("a.jsonl"), lines(0, 200))
    land("a.jsonl")
    write_lines(Path("a.jsonl"), lines(7, 9))
    with pytest.raises(RequestError, match="cannot be read again"):
        land("a.jsonl", settings=Ingest(shard_bytes=2048))


def test_small_files_share_a_part():
    for n in range(20):
        write_lines(Path(f"d/{n:02d}.jsonl"), lines(n, n + 1))
    land("d")
    assert len(shards(Path("lake"))) == 1
    assert [row["n"] for row in payloads()] == list(range(20))
    assert toolkit.audit("lake").ok


def test_a_file_whose_marks_are_unchanged_is_not_read(monkeypatch):
    write_lines(Path("a.jsonl"), lines(0, 30))
    old("a.jsonl")
    land("a.jsonl")
    monkeypatch.setattr("toolkit.ingest.census.take_census", lambda *_: pytest.fail("it was read"))
    assert not land("a.jsonl").worked


def test_a_file_that_changed_but_for_its_size_and_times_is_read():
    write_lines(Path("a.jsonl"), lines(0, 30))
    old("a.jsonl")
    land("a.jsonl")
    found = Path("a.jsonl").stat()
    Path("a.jsonl").write_bytes(Path("a.jsonl").read_bytes().replace(b'"n": 7', b'"n": 8'))
    os.utime("a.jsonl", ns=(found.st_atime_ns, found.st_mtime_ns))
    assert land("a.jsonl").worked
    assert len(payloads()) == 60


@pytest.mark.parametrize(("age", "young"), [(1, True), (10_000_000_000, False)])
def test_a_young_file_leaves_no_mark(monkeypatch, age, young):
    path = write_lines(Path("a.jsonl"), lines(0, 3))
    changed = path.stat().st_ctime_ns
    monkeypatch.setattr("toolkit.pipeline.watermarks.time.time_ns", lambda: changed + age)
    assert (mark_of(path) is None) == young


def test_damaged_marks_cost_only_reading():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl")
    Path("lake/watermarks.json").write_text("[")
    assert not land("a.jsonl").worked


def test_what_a_lake_was_given_is_in_its_manifest():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl")
    named = {file["path"] for file in read_json(Path("lake/MANIFEST.json"))["files"]}
    assert "deliveries.json" in named and "watermarks.json" not in named


def test_two_deliveries_at_once_would_be_two_runs_and_the_second_leaves(monkeypatch):
    from toolkit.errors import ToolkitError
    from toolkit.storage import locked

    write_lines(Path("a.jsonl"), lines(0, 3))
    Path("lake").mkdir()
    with locked(Path("lake")), pytest.raises(ToolkitError, match="being written by another run"):
        land("a.jsonl")


def test_the_order_of_files_is_that_of_their_names_whatever_the_order_they_are_given_in():
    for name in "ab":
        write_lines(Path(f"{name}.jsonl"), lines(ord(name), ord(name) + 2))
    one = tree(land("a.jsonl", "b.jsonl").lake)
    two = tree(toolkit.ingest(["b.jsonl", "a.jsonl"], "other", workers=1, settings=SMALL).lake)
    del one["spec.toml"], two["spec.toml"]
    assert {k: v for k, v in one.items() if k != "MANIFEST.json"} == {
        k: v for k, v in two.items() if k != "MANIFEST.json"
    }


def test_arrivals_read_a_file_only_once(monkeypatch):
    write_lines(Path("a.jsonl"), lines(0, 30))
    seen = []
    monkeypatch.setattr(arrivals, "_look", lambda *a, real=arrivals._look: seen.append(a[-2]) or real(*a))
    land("a.jsonl")
    assert seen == ["a.jsonl"]


def sources():
    return {row["source_id"] for row in toolkit.ingest.records("lake")}


def test_another_source_of_a_lake_keeps_what_it_has():
    write_lines(Path("a.jsonl"), lines(0, 30))
    write_lines(Path("b.jsonl"), lines(30, 60))
    land("a.jsonl", source="x")
    before = tree(Path("lake/bronze/x"))
    land("b.jsonl", source="y")
    assert sources() == {"x", "y"}
    assert tree(Path("lake/bronze/x")) == before
    assert toolkit.audit("lake").ok


def test_a_stream_into_a_lake_keeps_what_it_has():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl", source="x")
    toolkit.ingest("-", "lake", source="y", stdin=io.BytesIO(b'{"n":1000}\n'), workers=1, settings=SMALL)
    assert sources() == {"x", "y"}
    assert toolkit.audit("lake").ok


def test_a_source_stays_when_the_next_one_comes_from_another_folder(monkeypatch):
    write_lines(Path("a.jsonl"), lines(0, 30))
    lake = land("a.jsonl", source="x").lake
    write_lines(Path("sub/b.jsonl"), lines(30, 60))
    monkeypatch.chdir("sub")
    toolkit.ingest("b.jsonl", lake, source="y", workers=1, settings=SMALL)
    toolkit.run(lake / "spec.toml", workers=1)
    assert len(payloads(lake)) == 60


def test_a_lake_of_the_whole_run_is_not_landed_in_from_beside(tmp_path):
    lake = toolkit.run(small_world(tmp_path), workers=1).lake
    before = tree(lake)
    with pytest.raises(RequestError, match="is a lake of `toolkit run`"):
        toolkit.ingest("a.jsonl", lake, workers=1)
    assert tree(lake) == before


def test_the_spec_of_a_lake_of_shards_lands_what_is_new():
    write_lines(Path("a.jsonl"), lines(0, 30))
    land("a.jsonl")
    write_lines(Path("a.jsonl"), lines(0, 40))
    toolkit.run("lake/spec.toml", workers=1)
    assert len(payloads()) == 40


def test_a_plan_made_before_another_delivery_is_refused_and_loses_nothing(monkeypatch):
    write_lines(Path("a.jsonl"), lines(0, 30))
    write_lines(Path("b.jsonl"), lines(30, 60))
    land("a.jsonl")
    real = arrivals._look

    def meanwhile(*arguments):
        monkeypatch.setattr(arrivals, "_look", real)
        land("b.jsonl")
        return real(*arguments)

    write_lines(Path("a.jsonl"), lines(0, 40))
    monkeypatch.setattr(arrivals, "_look", meanwhile)
    with pytest.raises(ToolkitError, match="changed while its sources were read"):
        land("a.jsonl")
    assert sorted(row["n"] for row in payloads()) == list(range(60))


def test_a_file_that_changed_while_it_was_read_lands_when_it_comes_again(monkeypatch):
    write_lines(Path("a.jsonl"), lines(0, 30))
    whole = Path("a.jsonl").read_bytes()
    real = arrivals.arrivals

    def changing(*arguments):
        found = real(*arguments)
        Path("a.jsonl").write_bytes(whole[:100])
        return found

    with monkeypatch.context() as patch:
        patch.setattr("toolkit.pipeline.plan.arrivals", changing)
        land("a.jsonl")
    assert {row[2] for row in toolkit.quarantine("lake").rows()} == {"file.changed"}
    assert toolkit.audit("lake").ok
    Path("a.jsonl").write_bytes(whole)
    land("a.jsonl")
    assert [row["n"] for row in payloads()] == list(range(30))
    assert toolkit.audit("lake").ok


def test_what_a_file_that_changed_repeated_lands_when_it_comes_again(monkeypatch):
    for name in ("a.jsonl", "b.jsonl"):
        write_lines(Path(name), lines(0, 30))
    real = arrivals.arrivals
    cut_short = lambda *arguments: (real(*arguments), os.truncate("a.jsonl", 100))[0]  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr("toolkit.pipeline.plan.arrivals", cut_short)
        land("a.jsonl", "b.jsonl")
    assert payloads() == []
    assert toolkit.audit("lake").ok
    land("b.jsonl")
    assert [row["n"] for row in payloads()] == list(range(30))
    assert toolkit.audit("lake").ok


def test_the_books_of_files_delivered_again_are_read_once_a_file(monkeypatch):
    for k in range(20):
        write_lines(Path(f"d/{k}.jsonl"), lines(k, k + 1))
        write_lines(Path(f"e/{k}.jsonl"), lines(k, k + 1))
    land("d", "e")
    reads, real = [], Ledger.from_dict
    monkeypatch.setattr(Ledger, "from_dict", lambda data: reads.append(1) or real(data))
    given = read_json(Path("lake/MANIFEST.json"))["sources"][0]["files"]
    manifests = [PartManifest.read(path) for path in Path("lake/bronze").rglob("*.manifest.json")]
    assert delivered_again(given, manifests).records_in.records == 20
    assert len(reads) == len(manifests) + 20


def test_a_file_deleted_between_plan_and_landing_is_said_to_have_changed(monkeypatch):
    write_lines(Path("a.jsonl"), lines(0, 3))
    write_lines(Path("b.jsonl"), lines(3, 5))
    real = arrivals.arrivals
    gone = lambda *arguments: (real(*arguments), Path("a.jsonl").unlink())[0]  # noqa: E731
    monkeypatch.setattr("toolkit.pipeline.plan.arrivals", gone)
    land("a.jsonl", "b.jsonl")
    assert [row["n"] for row in payloads()] == [3, 4]
    assert toolkit.audit("lake").ok


def test_a_forgotten_source_does_not_come_back_through_a_pipe():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl", source="x")
    land("a.jsonl", source="y")
    toolkit.forget("lake", source="x", workers=1)
    with pytest.raises(RequestError, match="was forgotten"):
        toolkit.ingest("-", "lake", source="x", stdin=io.BytesIO(b'{"n":1}\n'), workers=1)


def test_a_stream_on_other_terms_is_refused_before_the_lake_is_touched():
    one = io.BytesIO(b'{"uuid":"a"}\n')
    toolkit.ingest("-", "lake", stdin=one, workers=1)
    before = tree(Path("lake"))
    for change in ({"license": "X"}, {"declared_id": "uuid"}, {"settings": SMALL}, {"format": "csv"}):
        with pytest.raises(RequestError, match=r"made anew|cut with another"):
            toolkit.ingest("-", "lake", stdin=io.BytesIO(b'{"uuid":"b"}\n'), workers=1, **change)
    assert tree(Path("lake")) == before


def test_a_lost_licence_flag_leaves_a_published_lake_as_it_is():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl", license="MIT")
    before = tree(Path("lake"))
    Path("a.jsonl").unlink()
    write_lines(Path("b.jsonl"), lines(3, 5))
    with pytest.raises(RequestError, match="must be made anew"):
        land("b.jsonl")
    assert tree(Path("lake")) == before


def test_settings_that_are_not_given_are_those_of_the_lake():
    write_lines(Path("a.jsonl"), lines(0, 3))
    write_lines(Path("b.jsonl"), lines(3, 5))
    land("a.jsonl", source="x", settings=Ingest(compression="gz"))
    land("b.jsonl", source="y", settings=None)
    assert {path.suffix for path in shards(Path("lake/bronze"))} == {".gz"}


def test_cut_anew_the_record_delivered_last_still_stands():
    write_lines(Path("z.jsonl"), [{"uuid": "a", "n": 1}])
    land("z.jsonl", declared_id="uuid")
    write_lines(Path("b.jsonl"), [{"uuid": "a", "n": 2}])
    land("b.jsonl", declared_id="uuid")
    land("b.jsonl", "z.jsonl", declared_id="uuid", settings=Ingest(shard_bytes=4096))
    assert [row["payload"]["n"] for row in toolkit.ingest.records("lake")] == [2]


def test_json_lines_under_a_json_name_grow_too():
    write_lines(Path("a.json"), lines(0, 3))
    land("a.json")
    write_lines(Path("a.json"), lines(0, 5))
    land("a.json")
    assert [row["n"] for row in payloads()] == list(range(5))


def test_a_copy_of_a_copy_that_grew_is_counted_whole():
    write_lines(Path("b.jsonl"), lines(0, 5))
    land("b.jsonl")
    write_lines(Path("a.jsonl"), lines(0, 5))
    land("a.jsonl", "b.jsonl")
    write_lines(Path("a.jsonl"), lines(0, 8))
    land("a.jsonl", "b.jsonl")
    write_lines(Path("c.jsonl"), lines(0, 8))
    land("a.jsonl", "b.jsonl", "c.jsonl")
    assert books("ingest")["removed"]["delivered_again"]["records"] == 5 + 8
    assert toolkit.audit("lake").ok


def test_an_empty_table_is_accounted_for():
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), "a.parquet")
    write_lines(Path("b.jsonl"), lines(0, 2))
    land("a.parquet", "b.jsonl")
    assert toolkit.audit("lake").ok


def test_a_grown_file_that_was_altered_lands_no_altered_record():
    import gzip

    first, second = (b"".join(b'{"n":%d}\n' % n for n in range(*r)) for r in ((0, 5), (5, 9)))
    Path("a.jsonl.gz").write_bytes(gzip.compress(first))
    land("a.jsonl.gz")
    bad = bytearray(gzip.compress(second))
    bad[-6] ^= 1
    Path("a.jsonl.gz").write_bytes(gzip.compress(first) + bytes(bad))
    land("a.jsonl.gz")
    assert {row["n"] for row in payloads()} == set(range(5))
    assert toolkit.audit("lake").ok
    with pytest.raises(GateError, match="not those that were packed"):
        toolkit.ingest("-", "other", stdin=io.BytesIO(bytes(bad)), workers=1)


def test_a_record_of_a_lake_of_shards_is_traced_to_where_the_lake_ends():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl")
    assert toolkit.trace("lake", "a.jsonl:2").journeys[0].end.startswith("bronze")


def test_a_file_just_written_is_waited_for_and_marked_at_once():
    write_lines(Path("a.jsonl"), lines(0, 3))
    land("a.jsonl")
    before = {path: path.stat().st_mtime_ns for path in Path("lake").rglob("*")}
    assert not land("a.jsonl").worked
    assert {path: path.stat().st_mtime_ns for path in Path("lake").rglob("*")} == before
