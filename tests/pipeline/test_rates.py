"""The rates of the door are those that counting every line of its files gives."""

import json
from collections import Counter
from dataclasses import asdict

import pytest
from lakes import small_world, words, write_lines

from toolkit.ingest import payload_of
from toolkit.pipeline.jobs import Outcome
from toolkit.pipeline.progress import Plain, Tally
from toolkit.pipeline.rates import METHODS, estimated_tokens, source_rates
from toolkit.pipeline.run import run
from toolkit.pipeline.runner import Runner, speeds
from toolkit.storage import PartManifest, part_of, read_shard, shards

SPEC = """
[lake]
path = "lake"
logical_date = "2026-11-22"
[ingest]
shard_bytes = 4096
max_reject_share = 0.5
[packing]
context = 512
vocab_size = 400
[[source]]
id = "feed"
type = "web_scrape"
path = "in/*.jsonl"
regime = "sft"
declared_id = "id"
"""


def record(number, version=0):
    return {"id": number, "prompt": f"about {number}", "response": words(f"v{version}r{number}x", 12)}


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """Three deliveries: the second replaces ids of the first, the third those of both and one twice."""
    folder = tmp_path_factory.mktemp("fed")
    (folder / "spec.toml").write_text(SPEC)
    first = [*(record(n) for n in range(60)), b'{"broken": ', b"[1]", record(5)]
    second = [
        *(record(n, 1) for n in range(20, 50)),
        record(3),
        b"\xff\xfe",
        *(record(n) for n in range(100, 130)),
    ]
    third = [*(record(n, 2) for n in range(10, 30)), record(10, 3), record(10, 4), b""]
    for name, rows in (("1", first), ("2", second), ("3", third)):
        write_lines(folder / "in" / f"{name}.jsonl", rows)
        made = run(folder / "spec.toml", workers=1)
    return made


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return run(small_world(tmp_path_factory.mktemp("small")), workers=1)


def bronze(lake, source):
    """(part, payload) of every bronze line of a source, in the order of its parts."""
    for shard in shards(lake / "bronze" / source):
        for line in read_shard(shard):
            yield part_of(shard), payload_of(line)[1]


def aside(lake, source):
    """(part, entry) of every line that ingest quarantined."""
    for path in sorted((lake / "quarantine" / "ingest" / source).glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            yield path.stem, json.loads(line)


def shard_rows(made, source):
    rates = made.manifest["rates"]
    return [dict(zip(rates["columns"], row, strict=True)) for row in rates["shards"][source]]


def all_sources(fed, small):
    return [(fed, "feed"), *((small, name) for name in ("a", "b", "pairs", "sums"))]


def test_records_and_reasons_are_those_of_the_files(fed, small):
    for made, source in all_sources(fed, small):
        rates = made.manifest["rates"]["sources"][source]
        good, bad = list(bronze(made.lake, source)), list(aside(made.lake, source))
        assert rates["accepted"] == len(good)
        assert rates["records"] == len(good) + len(bad)
        assert rates["quarantined"] == Counter(entry["reason"] for _, entry in bad)
        assert rates["payload_bytes"] == sum(len(payload) for _, payload in good)


def test_shares_are_counts_over_records(fed):
    rates = fed.manifest["rates"]["sources"]["feed"]
    bad = sum(rates["quarantined"].values())
    assert rates["parse_failure_share"] == pytest.approx(bad / rates["records"])
    assert rates["accepted_share"] == pytest.approx(1 - bad / rates["records"])
    assert sum(rates["quarantined_shares"].values()) == pytest.approx(rates["parse_failure_share"])


def test_bytes_are_those_of_the_delivered_files(fed):
    files = (fed.lake.parent / "in").glob("*.jsonl")
    assert fed.manifest["rates"]["sources"]["feed"]["bytes"] == sum(file.stat().st_size for file in files)


def test_a_shard_has_the_records_of_its_files(fed):
    good = Counter(part for part, _ in bronze(fed.lake, "feed"))
    bad = Counter(part for part, _ in aside(fed.lake, "feed"))
    rows = shard_rows(fed, "feed")
    assert len(rows) > 5
    assert {r["part"]: (r["accepted"], r["records"]) for r in rows} == {
        part: (good[part], good[part] + bad[part]) for part in good | bad
    }


def test_shards_add_up_to_their_source(fed, small):
    for made, source in all_sources(fed, small):
        rates, rows = made.manifest["rates"]["sources"][source], shard_rows(made, source)
        for name in ("records", "accepted", "bytes", "payload_bytes"):
            assert sum(row[name] for row in rows) == rates[name]
        assert sum(row["duplicates"] for row in rows) == sum(rates["duplicates"].values())


def test_a_repeat_is_counted_in_the_shard_that_brought_it(fed):
    seen, wanted = set(), Counter()
    for part, payload in bronze(fed.lake, "feed"):
        number = json.loads(payload)["id"]
        wanted[part] += number in seen
        seen.add(number)
    assert {row["part"]: row["duplicates"] for row in shard_rows(fed, "feed")} == dict(wanted)
    assert wanted.total() == 1 + 31 + 22


def test_duplicates_are_those_that_the_identity_stage_removed(fed, small):
    for made in (fed, small):
        books = next(book for book in made.manifest["ledgers"] if book["stage"] == "identity")
        for method in METHODS:
            removed = books["removed"].get(method, {"records": 0})["records"]
            rates = made.manifest["rates"]["sources"].values()
            assert sum(source["duplicates"][method] for source in rates) == removed


def test_a_shard_knows_its_delivery(fed):
    assert [row["delivery"] for row in shard_rows(fed, "feed")] == sorted(
        row["delivery"] for row in shard_rows(fed, "feed")
    )
    assert {row["delivery"] for row in shard_rows(fed, "feed")} == {0, 1, 2}


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4000, 1000)])
def test_tokens_are_estimated_at_four_bytes(size, tokens):
    assert estimated_tokens(size) == tokens


def test_tokens_are_summed_by_part(fed):
    rates, rows = fed.manifest["rates"]["sources"]["feed"], shard_rows(fed, "feed")
    assert rates["accepted_estimated_tokens"] == sum((row["payload_bytes"] + 3) // 4 for row in rows)
    assert rates["accepted_token_share"] < 1


def test_nothing_has_no_share():
    assert source_rates([])["parse_failure_share"] == 0.0


def test_the_same_bytes_give_the_same_rates(small, tmp_path):
    again = run(small_world(tmp_path), workers=2)
    assert again.manifest["rates"] == small.manifest["rates"]
    assert again.manifest["alarms"] == small.manifest["alarms"]


def test_what_was_forgotten_is_no_failure(tmp_path):
    from toolkit.pipeline.forget import forget

    made = forget(run(small_world(tmp_path), workers=1).lake, license="GPL")
    rates = made.manifest["rates"]["sources"]["b"]
    assert (rates["forgotten"], rates["records"], rates["accepted_share"]) == (10, 23, 1.0)


def test_timings_hold_what_each_part_of_this_run_took(fed):
    took = json.loads((fed.lake / "timings.json").read_text())["ingest"]
    new = {f"feed/{row['part']}": row for row in shard_rows(fed, "feed") if row["delivery"] == 2}
    assert {part: (row["records"], row["bytes"]) for part, row in took["parts"].items()} == {
        part: (row["records"], row["bytes"]) for part, row in new.items()
    }
    assert took["sources"]["feed"]["records"] == sum(row["records"] for row in new.values())
    assert took["sources"]["feed"]["seconds"] == pytest.approx(
        sum(row["seconds"] for row in took["parts"].values()), abs=0.01
    )


def manifests(made, source):
    paths = sorted((made.lake / "bronze" / source).glob("*.manifest.json"))
    return [PartManifest.read(path) for path in paths]


def test_the_seconds_of_a_job_are_shared_by_bytes(fed):
    parts = manifests(fed, "feed")
    found = speeds([Outcome(parts, 10.0, 0)])["parts"]
    whole = sum(row["bytes"] for row in found.values())
    assert all(row["seconds"] == pytest.approx(10 * row["bytes"] / whole, abs=1e-4) for row in found.values())


class Ready:
    """Jobs that are their own outcome, and workers that hand them over."""

    device = None

    def __init__(self, outcome):
        self.outcome = outcome

    def done(self):
        return None

    def ready(self, jobs):
        pass

    def run(self, jobs, advance):
        for job in jobs:
            advance(job.outcome)
        return [job.outcome for job in jobs]


def test_the_ingest_stage_closes_with_what_it_read(fed, capsys):
    parts = manifests(fed, "feed")
    Runner(Ready(None), Plain()).stage("ingest", [Ready(Outcome([part], 0.1, 0)) for part in parts])
    rates = fed.manifest["rates"]["sources"]["feed"]
    first, last = capsys.readouterr().err.splitlines()
    assert first == f"ingest: {len(parts)} tasks"
    assert last.startswith(f"ingest: {rates['records']:,} records, {rates['bytes'] / 1e6:.1f} MB in ")
    assert last.endswith("3 quarantined")


def test_another_stage_says_what_it_said(fed, capsys):
    Runner(Ready(None), Plain()).stage("refine", [Ready(Outcome(manifests(fed, "feed"), 0.1, 0))])
    assert capsys.readouterr().err == "refine: 1 tasks\n"


def test_a_tally_tells_speed_and_rejects():
    tally = Tally()
    tally.add(records=50_000, bytes=58_000_000, quarantined=200)
    tally.add(records=1000, bytes=100_000, quarantined=81)
    assert tally.closing(2.1) == "51,000 records, 58.1 MB in 2.1 s (27.7 MB/s), 281 quarantined"
    assert tally.running(2.1) == "51,000 records, 58.1 MB, 27.7 MB/s, 24,286 records/s, 0.55 % quarantined"
    assert Tally().running(1.0) == ""


def test_a_bar_takes_what_a_job_read(monkeypatch, capsys):
    from toolkit.pipeline.progress import Bars

    with Bars().stage("ingest", 2, 0) as advance:
        advance(1, records=10, bytes=2_000_000, quarantined=1)
        advance()
    assert "10 records, 2.0 MB" in capsys.readouterr().err


def test_counts_are_plain_data(fed):
    assert json.loads(json.dumps(fed.manifest["rates"])) == fed.manifest["rates"]
    assert asdict(Tally(1, 2, 3)) == {"records": 1, "bytes": 2, "quarantined": 3}
