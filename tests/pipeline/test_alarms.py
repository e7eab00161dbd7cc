"""An alarm means something: rates that never change raise few, and a jump is found."""

import json

import numpy as np
import pytest
from lakes import small_world, words, write_lines

from toolkit.pipeline.alarms import alarms
from toolkit.pipeline.bands import SHARDS, mean_band, share_band
from toolkit.pipeline.rates import Counts
from toolkit.pipeline.result import Run
from toolkit.pipeline.run import run

LISTING = [{"id": "feed", "files": []}]


def parts(rejects, records=1000, deliveries=None, sizes=None, duplicates=None):
    """A source whose shards have so many rejects each, all of one reason."""
    made = []
    for i, bad in enumerate(rejects):
        delivery = i if deliveries is None else deliveries[i]
        good = records - int(bad)
        size = good * (500 if sizes is None else sizes[i])
        reasons = {"json.invalid": int(bad)} if bad else {}
        same = {} if duplicates is None else {"duplicate_payload": duplicates[i]}
        name = f"feed/part-{i:05d}"
        made.append(Counts(name, delivery, records, good, size, size, 50 * int(bad), 0, reasons, same))
    return made


def raised(counts):
    return alarms({"feed": counts}, LISTING, {"feed": []})


def named(found, rate="rejected"):
    return [a.get("part", a.get("delivery")) for a in found if a["rate"] == rate]


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.005, 0.05, 0.4, 0.95])
@pytest.mark.parametrize(("size", "shards"), [(100, 12), (3000, 5), (3000, 60)])
def test_a_share_that_never_changes_leaves_its_band_no_more_often_than_was_promised(share, size, shards):
    rng, sizes, outside, times = np.random.default_rng(7), np.full(shards, size), 0, 800
    for _ in range(times):
        low, high = share_band(rng.binomial(size, share, shards), sizes, size)
        outside += not low <= rng.binomial(size, share) / size <= high
    promised = 0.0027 * times
    assert outside <= promised + 3 * np.sqrt(promised)


@pytest.mark.parametrize(("shards", "promised"), [(5, 0.02), (8, 0.01), (40, 0.01)])
def test_a_mean_that_never_changes_leaves_its_band_no_more_often_than_was_promised(shards, promised):
    rng, outside, times = np.random.default_rng(8), 0, 1500
    totals = rng.gamma(0.6 * 200, 1500, (times, shards + 1))  # 200 records each, deviation 1.3 of the mean
    for row in totals:
        low, high = mean_band(row[:-1], np.full(shards, 200), 200)
        outside += not low <= row[-1] / 200 <= high
    assert outside / times <= promised + 3 * np.sqrt(promised / times)


def test_a_lake_that_never_changes_raises_few_alarms():
    rng, found, tested = np.random.default_rng(9), 0, 0
    for _ in range(10):
        counts = parts(rng.binomial(1000, 0.01, 60), sizes=rng.normal(500, 5, 60).astype(int))
        found, tested = found + len(raised(counts)), tested + 3 * 60
    assert found <= 0.0027 * tested + 3 * np.sqrt(0.0027 * tested)


@pytest.mark.parametrize("bad", [60, 200, 999])
def test_a_jump_is_found_and_named(bad):
    rejects = [10, 8, 12, 9, 11, 10, 9, bad, 10, 12]
    found = raised(parts(rejects))
    assert named(found) == named(found, "rejected: json.invalid") == ["part-00007"]
    alarm = found[0]
    assert alarm["found"] == bad / 1000 > alarm["high"] > 0.01 > alarm["low"]
    assert f"{bad / 10:.3g} % of 1,000 records" in alarm["message"]


def test_a_drop_is_found():
    assert named(raised(parts([200, 190, 210, 205, 195, 20, 200]))) == ["part-00005"]


def test_duplicates_and_sizes_are_watched():
    same, sizes = [5, 6, 4, 5, 6, 5, 90], [500, 505, 495, 502, 498, 900, 500]
    found = raised(parts([0] * 7, duplicates=same, sizes=sizes))
    assert named(found, "duplicates") == ["part-00006"]
    assert named(found, "mean bytes") == ["part-00005"]
    assert "has 900 bytes on average" in next(a for a in found if a["rate"] == "mean bytes")["message"]


def test_a_reason_that_was_never_seen_is_found_where_the_sum_stays():
    counts = parts([40] * 8)
    counts.append(Counts("feed/part-00008", 8, 1000, 960, 480_000, 480_000, 9, 0, {"utf8.invalid": 40}))
    found = raised(counts)
    assert {a["rate"] for a in found} == {"rejected: json.invalid", "rejected: utf8.invalid"}
    assert {a["part"] for a in found} == {"part-00008"}


@pytest.mark.parametrize("bad", [1, 2, 3, 4])
def test_the_first_rejects_of_a_clean_source_are_no_alarm(bad):
    assert raised(parts([0] * 50 + [bad])) == []
    assert raised(parts([0] * 50 + [6])) != []


def test_without_history_nothing_is_unusual():
    assert raised(parts([0, 50, 0, 99], records=100)) == []
    assert raised(parts([0] * SHARDS + [50], records=100)) != []
    assert raised(parts([0, 50], records=1000)) != []


def test_a_delivery_speaks_for_its_parts():
    rejects, deliveries = [10] * 10 + [60] * 5, [0] * 5 + [1] * 5 + [2] * 5
    found = raised(parts(rejects, deliveries=deliveries))
    assert named(found) == [2]
    assert found[0]["delivery"] == 2 and "part" not in found[0]


def test_a_part_unlike_its_delivery_is_named_too():
    rejects, deliveries = [100] * 10 + [300] * 4 + [5], [0] * 5 + [1] * 5 + [2] * 5
    assert named(raised(parts(rejects, deliveries=deliveries))) == [2, "part-00014"]


def test_an_unusual_shard_does_not_become_the_usual():
    found = raised(parts([10] * 10 + [700] + [10] * 10 + [700]))
    assert named(found) == ["part-00010", "part-00021"]


def test_what_lasts_becomes_the_usual():
    found = raised(parts([10] * 10 + [100] * 20 + [10]))
    assert named(found) == [f"part-{n:05d}" for n in range(10, 10 + SHARDS)] + ["part-00030"]


def test_a_source_that_varies_by_nature_has_a_wider_band():
    varied, alike, sizes = np.tile([50, 150], 20), np.full(40, 100), np.full(40, 1000)
    low, high = share_band(varied, sizes, 1000)
    assert low < 0.05 < 0.15 < high
    assert share_band(alike, sizes, 1000)[1] < 0.15


def test_the_band_of_a_share_is_symmetric():
    bad, sizes = np.array([3, 5, 4, 6, 2]), np.full(5, 400)
    low, high = share_band(bad, sizes, 300)
    assert share_band(sizes - bad, sizes, 300) == pytest.approx((1 - high, 1 - low))


def test_the_band_of_a_large_share_is_shewharts():
    x, n = np.full(50, 30_000), np.full(50, 100_000)
    wide = 3 * np.sqrt(0.3 * 0.7 * (1 / 10_000 + 1 / 5e6))
    assert share_band(x, n, 10_000) == pytest.approx((0.3 - wide, 0.3 + wide), abs=2e-4)


def test_a_small_shard_is_given_more_room():
    totals, sizes = np.array([500, 510, 490, 505, 495, 500]) * 1000, np.full(6, 1000)
    (a, b), (c, d) = mean_band(totals, sizes, 1000), mean_band(totals, sizes, 10)
    assert d - c > 2 * (b - a)


def test_two_thousand_parts_are_judged_in_seconds():
    import time

    counts, started = parts(np.random.default_rng(1).binomial(1000, 0.01, 2000)), time.perf_counter()
    raised(counts)
    assert time.perf_counter() - started < 10


SPEC = """
[lake]
path = "lake"
logical_date = "2026-11-22"
[ingest]
shard_bytes = 4096
max_reject_share = 0.9
[packing]
context = 512
vocab_size = 400
[[source]]
id = "feed"
type = "web_scrape"
path = "in/*"
format = "jsonl"
regime = "sft"
"""


def lake_of(folder, files):
    (folder / "spec.toml").write_text(SPEC)
    for name, data in files.items():
        if isinstance(data, bytes):
            (folder / "in").mkdir(exist_ok=True)
            (folder / "in" / name).write_bytes(data)
        else:
            write_lines(folder / "in" / name, data)
    return run(folder / "spec.toml", workers=1)


def rows(start, stop, key="prompt"):
    return [{key: f"about {n}", "response": words(f"r{n}x", 12)} for n in range(start, stop)]


def test_a_field_renamed_half_way_is_named_with_its_line(tmp_path):
    made = lake_of(
        tmp_path, {"a.jsonl": [*rows(0, 80), *rows(80, 150, "question")], "b.jsonl": rows(200, 220)}
    )
    (alarm,) = made.manifest["alarms"]
    assert (alarm["file"], alarm["line"], alarm["records"]) == ("in/a.jsonl", 81, 70)
    assert (alarm["rate"], alarm["old"], alarm["new"]) == ("suspected rename", "prompt", "question")
    assert "line 81" in repr(made)


def test_one_odd_record_is_no_rename(tmp_path):
    made = lake_of(tmp_path, {"a.jsonl": [*rows(0, 1, "query"), *rows(1, 40), *rows(40, 41, "question")]})
    assert made.manifest["alarms"] == []


def test_a_rename_is_found_where_the_file_grew(tmp_path):
    lake_of(tmp_path, {"a.jsonl": rows(0, 60)})
    made = lake_of(tmp_path, {"a.jsonl": [*rows(0, 60), *rows(60, 100, "question")]})
    assert [(a["rate"], a["line"]) for a in made.manifest["alarms"]] == [("suspected rename", 61)]


def test_a_correction_does_not_hide_what_it_corrects(tmp_path):
    lake_of(tmp_path, {"a.jsonl": [*rows(0, 30), *rows(30, 60, "question")]})
    made = lake_of(tmp_path, {"a.jsonl": rows(0, 60, "question")})
    assert [(a["rate"], a["line"]) for a in made.manifest["alarms"]] == [("suspected rename", 31)]


def test_damaged_compression_is_named(tmp_path):
    import gzip

    whole = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows(0, 400)))
    made = lake_of(tmp_path, {"a.jsonl.gz": whole[: len(whole) // 2], "b.jsonl": rows(500, 520)})
    found = [a for a in made.manifest["alarms"] if a["rate"] == "altered compression"]
    assert [a["file"] for a in found] == ["in/a.jsonl.gz"]


def test_a_file_that_changed_while_it_was_read_is_named(tmp_path, monkeypatch):
    from toolkit.pipeline import run as running

    plan = running.make_plan

    def meddling(*args):
        found = plan(*args)
        write_lines(tmp_path / "in" / "a.jsonl", rows(1000, 1300))
        return found

    monkeypatch.setattr(running, "make_plan", meddling)
    made = lake_of(tmp_path, {"a.jsonl": rows(0, 30), "b.jsonl": rows(50, 90)})
    assert [(a["rate"], a["file"]) for a in made.manifest["alarms"]] == [("changed while read", "in/a.jsonl")]


def test_a_quiet_lake_says_nothing(tmp_path):
    made = run(small_world(tmp_path), workers=1)
    assert made.manifest["alarms"] == []
    assert "alarm" not in repr(made) and "Alarms" not in made._repr_html_()


def test_ten_alarms_are_told_and_the_rest_are_counted(tmp_path):
    told = [{"message": f"<b>number {n}</b>"} for n in range(14)]
    made = Run(tmp_path, {"alarms": told, "ledgers": []}, 1.0, True)
    assert repr(made).count("alarm: ") == 11 and "and 4 more" in repr(made)
    assert "<b>" not in made._repr_html_() and "&lt;b&gt;number 9" in made._repr_html_()
