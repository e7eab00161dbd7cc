"""Nothing lost, nothing changed, no crash: every file of the torture suite through the door."""

import base64
import json
from collections import Counter

import pytest

import toolkit
from ingest.torture import CASES
from toolkit.ingest import payload_of
from toolkit.storage import read_shard, shards


def landed(folder, case):
    """(payloads kept, entries set aside) of a case that went through the verb."""
    (folder / f"f{case.suffix}").write_bytes(case.data)
    lake = toolkit.ingest(f"f{case.suffix}", "lake", workers=1).lake
    kept = [payload_of(line)[1] for path in shards(lake / "bronze") for line in read_shard(path)]
    quarantine = sorted(lake.rglob("quarantine/**/*.jsonl"))
    aside = [json.loads(line) for path in quarantine for line in path.read_bytes().splitlines()]
    return lake, kept, aside


def comparable(payloads, exact):
    return list(payloads) if exact else [json.loads(payload) for payload in payloads]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_file_gives_what_is_written_down(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake, kept, aside = landed(tmp_path, case)
    assert comparable(kept, case.exact) == comparable(case.kept, case.exact)
    reasons, stated = Counter(entry["reason"] for entry in aside), Counter(dict(case.aside))
    assert reasons.keys() == stated.keys()
    assert reasons >= stated if case.pieces else reasons == stated
    assert toolkit.audit(lake).ok


def test_what_is_set_aside_of_a_damaged_file_is_there_byte_for_byte(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = next(case for case in CASES if case.name == "gzip with garbage after its end")
    _, _, aside = landed(tmp_path, case)
    rest = b"".join(base64.b64decode(entry["raw"]) for entry in aside)
    assert case.data.endswith(rest) and b"garbage" in rest
