"""Evidence of repeats across many parts, with every shard read once."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

import toolkit
from toolkit.pipeline.spec.tables import Ingest
from toolkit.pipeline.stages import heads
from toolkit.storage import read_parquet, read_shard, shards

PARTS = 8


@pytest.fixture
def reads(tmp_path, monkeypatch):
    """A lake in which every part repeats payloads and declared ids of every other, and its reads by shard."""
    monkeypatch.chdir(tmp_path)
    rows = [[] for _ in range(PARTS)]
    for one, other in itertools.combinations(range(PARTS), 2):
        for part in (one, other):
            rows[part].append(f'{{"text":"{one} and {other}","pad":"{"x" * 60}"}}\n')
            rows[part].append(f'{{"id":"{one} and {other}","version":{part},"pad":"{"y" * 60}"}}\n')
    for part, lines in enumerate(rows):
        Path(f"{part}.jsonl").write_text("".join(lines))
    seen = Counter()
    monkeypatch.setattr(heads, "read_shard", lambda path: seen.update([path.name]) or read_shard(path))
    settings = Ingest(shard_bytes=2048, max_line_bytes=2048)
    toolkit.ingest(sorted(Path().glob("*.jsonl")), "lake", declared_id="id", settings=settings, workers=1)
    return seen


def test_each_shard_is_read_once_though_every_part_repeats_every_other(reads):
    assert reads == {path.name: 1 for path in shards(Path("lake/bronze"))}
    assert len(reads) == PARTS


def test_the_evidence_names_what_stays_for_each_repeat(reads):
    tables = [read_parquet(path) for path in sorted(Path("lake/evidence/identity").rglob("*.parquet"))]
    rows = [row for table in tables for row in table.to_pylist()]
    pairs = list(itertools.combinations([f"{part}.jsonl" for part in range(PARTS)], 2))
    found = {"duplicate_id": [], "duplicate_payload": []}
    for row in rows:
        found[row["method"]].append((row["removed_origin"]["path"], row["kept_origin"]["path"]))
    assert sorted(found["duplicate_id"]) == pairs
    assert sorted((kept, removed) for removed, kept in found["duplicate_payload"]) == pairs
    assert all(row["removed_id"] == row["kept_id"] for row in rows if row["method"] == "duplicate_payload")
    assert toolkit.audit("lake").ok


def test_nothing_is_left_of_the_work(reads):
    kinds = {path.suffix for path in Path("lake/evidence").rglob("*") if path.is_file()}
    assert kinds == {".parquet", ".json"}
