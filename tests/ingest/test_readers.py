"""Bronze read back, and records without a lake, against shards that are taken apart by hand."""

import gzip
import io
import json
import shutil
import subprocess
import tracemalloc
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from ingest.taken import DOOR, bronze, naive_lines, take
from ingest.torture import CASES
from toolkit.errors import GateError, RequestError, ToolkitError
from toolkit.ingest import BRONZE_SCHEMA, batches, payload_of, records
from toolkit.ingest.readers import batch_of, record_of, shard_batch, shard_paths
from toolkit.kernels.bronze_heads import bronze_heads, gather
from toolkit.pipeline.spec.tables import Ingest
from toolkit.storage import read_shard

HOSTILE = [
    b'{"n":123456789012345678901234567890,"f":1.0,"z":-0.0}',
    b'{"s":"\\ud800 \\u0041","p":",\\"payload\\":"}',
    b'{"a":1,"a":2}',
    b' {"spaced" : [ 1 , {"b":"\\u00e9\xc3\xa9"} ] , "license":"CC \\"0\\"" } ',
    b'{"model":"m","mail":"x@y.org"}',
    b'{"broken":',
    b"\xff\xfe",
    b'["no","object"]',
    b"",
    b'{"a":1,"a":2}',
]


def by_hand(lake, source="*"):
    """(provenance, payload bytes) of every bronze line, in the order of the parts' names."""
    lines = [
        line for path in sorted(lake.glob(f"bronze/{source}/part-*.jsonl*")) for line in read_shard(path)
    ]
    split = [payload_of(line) for line in lines]
    return [(json.loads(head), payload) for head, payload in split]


def rows_of(found):
    return pa.Table.from_batches(found, BRONZE_SCHEMA).to_pylist()


def as_row(head, payload):
    """What a batch holds of a bronze line."""
    flat = head | head["origin"] | {"payload": payload.decode()}
    return {name: flat[name] for name in BRONZE_SCHEMA.names}


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    (folder / "a \u00e9\"'.jsonl").write_bytes(b"\n".join(HOSTILE * 3) + b"\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"".join(b'{"id":%d}\n' % i for i in range(500))))
    small = Ingest(shard_bytes=1024)
    return toolkit.ingest([folder], folder.parent / f"{folder.name}-lake", settings=small, workers=1).lake


def test_every_line_comes_back_when_repeats_are_wanted(landed):
    hand = by_hand(landed)
    assert len(hand) > 500
    assert list(records(landed, repeats=True)) == [h | {"payload": json.loads(p)} for h, p in hand]
    assert rows_of(batches(landed, repeats=True)) == [as_row(h, p) for h, p in hand]


def test_what_came_twice_is_left_out_and_the_first_stays(landed):
    seen, once = set(), []
    for head, payload in by_hand(landed):
        if head["record_id"] not in seen:
            once.append(as_row(head, payload))
        seen.add(head["record_id"])
    assert rows_of(batches(landed)) == once
    assert [r["record_id"] for r in records(landed)] == [row["record_id"] for row in once]


def test_a_batch_has_at_most_the_rows_asked_for_and_none_is_empty(landed):
    sizes = [batch.num_rows for batch in batches(landed, rows=7)]
    assert set(sizes) <= set(range(1, 8)) and sum(sizes) == len(list(records(landed)))


def test_only_the_source_that_is_asked_for_comes_in_the_order_of_the_spec(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a":1}\n')
    (tmp_path / "b.jsonl").write_bytes(b'{"b":1}\n')
    kind = 'type = "synthetic"'
    parts = [f'[[source]]\nid = "{name}"\n{kind}\npath = "{name}.jsonl"\n' for name in "ba"]
    (tmp_path / "spec.toml").write_text("".join(parts))
    from toolkit.pipeline.spec.reader import load_spec

    spec = load_spec(tmp_path / "spec.toml")
    lake = _bronze_of(spec)
    assert [r["source_id"] for r in records(lake)] == ["b", "a"]
    assert [r["payload"] for r in records(lake, source="a")] == [{"a": 1}]


def _bronze_of(spec):
    """A lake of several sources with its bronze alone."""
    from toolkit.pipeline.ingest import _from_files
    from toolkit.pipeline.progress import Silent
    from toolkit.pipeline.runner import Runner
    from toolkit.pipeline.workers import Workers

    return _from_files(spec, Runner(Workers(1), Silent()), 0.0).lake


def test_a_part_beyond_the_five_digits_of_its_name_comes_last():
    from toolkit.ingest.readers import _place

    paths = [f"bronze/s/part-{n}.jsonl.zst" for n in ("100000", "99999", "00001")]
    assert sorted(paths, key=lambda path: _place(path, {"s": 0}))[-1] == paths[0]


@pytest.mark.parametrize("read", [records, batches])
def test_a_folder_that_is_no_finished_lake_is_refused_at_once(tmp_path, read):
    with pytest.raises(RequestError, match="no finished lake"):
        read(tmp_path)


def test_a_source_that_is_not_there_is_refused_by_naming_those_that_are(landed):
    with pytest.raises(RequestError, match="no source 'x'; it has files"):
        records(landed, source="x")


def test_no_rows_a_batch_are_refused(landed):
    with pytest.raises(RequestError, match="at least 1, found 0"):
        batches(landed, rows=0)


@pytest.mark.parametrize("digits", [1, 19, 30, 4300, 4301, 20_000])
def test_an_integer_of_any_length_is_exact(digits):
    number = record_of(b'{"payload":{"n":-%b}}' % (b"7" * digits))["payload"]["n"]
    assert -number == 7 * (10**digits - 1) // 9


def test_a_shard_that_is_none_is_named(tmp_path):
    path = tmp_path / "bronze" / "s" / "part-00000.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"record_id":"x"}\n')
    with pytest.raises(ToolkitError, match=r"part-00000.jsonl: line 1 is not a bronze line"):
        shard_batch(path)


LINE = st.sampled_from([b"\n", b"\r\n", *(line + b"\n" for line in HOSTILE)]) | st.binary(max_size=12)


@settings(deadline=None, max_examples=150)
@given(st.lists(LINE, max_size=12), st.text(max_size=6).filter(lambda s: s.isprintable()))
def test_whatever_is_accepted_of_any_file_comes_back(lines, name):
    data = b"".join(lines)
    written = bronze(take(data, name=name))
    hand = [payload_of(line) for line in written.split(b"\n")[:-1]]
    assert batch_of(written).to_pylist() == [as_row(json.loads(h), p) for h, p in hand]
    decoded = [record_of(line) for line in written.split(b"\n")[:-1]]
    assert decoded == [json.loads(h) | {"payload": json.loads(p)} for h, p in hand]
    accepted = {p for _, p in hand}
    assert accepted <= {line for _, _, line in naive_lines(data)}


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_no_damage_to_a_line_is_read_past_its_end(at, dirt):
    written = bronze(take(b'{"a":1}\n{"b":"\\"x"}\n', door=DOOR))
    damaged = written[:at] + dirt + written[at + len(dirt) :]
    damaged = damaged.rstrip(b"\n") + b"\n"
    try:
        places = bronze_heads(np.frombuffer(damaged, np.uint8))
    except ValueError:
        return
    for row, line in zip(places.tolist(), damaged.split(b"\n")[:-1], strict=True):
        assert damaged[row[8] : row[9]] == payload_of(line)[1]


def test_rows_are_gathered_end_to_end():
    data = np.frombuffer(b"abcdef", np.uint8)
    out, ends = gather(data, np.array([4, 0, 2]), np.array([6, 1, 2]))
    assert (out.tobytes(), ends.tolist()) == (b"efa", [0, 2, 3, 3])


# without a lake


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A file of each kind a folder gives, some compressed."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "a.jsonl").write_bytes(b"\n".join(HOSTILE * 9) + b"\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"".join(b'{"id":%d}\n' % i for i in range(300))))
    (folder / "c.csv").write_bytes(b'id,text\n1,"x\ny"\n2,z\n')
    (folder / "d.json").write_bytes(b'[{"j":1},\n{"j":\n2}]')
    pa.parquet.write_table(pa.table({"p": list(range(50))}), folder / "e.parquet")
    return folder


@pytest.mark.parametrize("shard", [1024, 1 << 20])
def test_a_stream_gives_what_a_lake_of_the_same_files_holds(mixed, tmp_path, shard):
    options = {"settings": Ingest(shard_bytes=shard), "logical_date": "2026-01-02", "source": "m"}
    lake = toolkit.ingest(mixed, tmp_path / "lake", workers=1, **options).lake
    streamed = toolkit.ingest(mixed, **options)
    assert list(streamed) == list(records(lake, repeats=True))
    assert rows_of(streamed.batches(rows=3)) == rows_of(batches(lake, repeats=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_file_streams_as_it_lands(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"f{case.suffix}").write_bytes(case.data)
    streamed = toolkit.ingest(f"f{case.suffix}")
    texts = [row["payload"].encode() for row in rows_of(streamed.batches())]
    reasons = set(streamed.quarantined.counts)
    lake = toolkit.ingest(f"f{case.suffix}", "lake", workers=1).lake
    hand = [payload for _, payload in by_hand(lake)]
    if "compression.altered" in dict(case.aside):  # known at its end only, when the records have been given
        assert texts[: len(hand)] == hand and reasons >= {"compression.damaged"}
    else:
        assert texts == hand and reasons == set(dict(case.aside))


def test_an_executor_changes_nothing_but_who_works(mixed):
    small = Ingest(shard_bytes=1024)
    alone, there = toolkit.ingest(mixed, settings=small), None
    with ThreadPoolExecutor(2) as pool:
        there = toolkit.ingest(mixed, settings=small, executor=pool)
        assert list(there) == list(alone)
    assert there.quarantined == alone.quarantined


def test_processes_are_as_good_as_threads(mixed):
    small = Ingest(shard_bytes=1024)
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        there = toolkit.ingest(mixed, settings=small, executor=pool)
        assert rows_of(there.batches()) == rows_of(toolkit.ingest(mixed, settings=small).batches())


def test_with_an_executor_only_a_few_spans_are_read_ahead(tmp_path):
    from toolkit.pipeline.processes import usable_cores

    (tmp_path / "f.jsonl").write_bytes(b'{"a":1}\n' * 1000)
    given = []

    class Counted(ThreadPoolExecutor):
        def submit(self, *work):
            given.append(work)
            return super().submit(*work)

    with Counted(1) as pool:
        next(iter(toolkit.ingest(tmp_path, settings=Ingest(shard_bytes=1024), executor=pool)))
    assert len(given) == usable_cores() + 1


def test_what_is_set_aside_is_counted_and_the_first_hundred_are_told(tmp_path):
    (tmp_path / "f.jsonl").write_bytes(b'{"a":1}\n' + b"[]\n" * 150 + b'{"a":\n')
    streamed = toolkit.ingest(tmp_path / "f.jsonl")
    assert [r["payload"] for r in streamed] == [{"a": 1}]
    assert streamed.quarantined.counts == {"json.not_object": 150, "json.truncated": 1}
    assert len(streamed.quarantined.first) == 100
    first = streamed.quarantined.first[0]
    assert (first.reason, first.origin["line"], first.origin["offset"]) == ("json.not_object", 2, 8)


def test_a_pass_begins_anew_and_so_does_its_quarantine(mixed):
    streamed = toolkit.ingest(mixed)
    once = list(streamed), streamed.quarantined
    assert (list(streamed), streamed.quarantined) == once


def test_standard_input_is_read_once():
    streamed = toolkit.ingest("-", stdin=io.BytesIO(gzip.compress(b'{"a":1}\n{"a":2}')))
    assert [(r["origin"]["path"], r["payload"]["a"]) for r in streamed] == [("stdin", 1), ("stdin", 2)]
    with pytest.raises(RequestError, match="read once"):
        iter(streamed)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_parquet_comes_through_a_pipe_too(pack):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"a": [1, 2]}), file)
    streamed = toolkit.ingest("-", format="parquet", stdin=io.BytesIO(pack(file.getvalue())))
    assert [record["payload"] for record in streamed] == [{"a": 1}, {"a": 2}]


def test_what_is_no_parquet_is_set_aside():
    streamed = toolkit.ingest("-", format="parquet", stdin=io.BytesIO(b"PAR1 no"))
    assert list(streamed) == [] and streamed.quarantined.counts == {"parquet.damaged": 1}


def test_what_cannot_be_decompressed_is_told_after_what_could(tmp_path):
    packed = gzip.compress(b"".join(b'{"id":%d}\n' % i for i in range(20_000)))
    (tmp_path / "f.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    streamed = toolkit.ingest(tmp_path / "f.jsonl.gz")
    kept = [r["payload"]["id"] for r in streamed]
    assert kept == list(range(len(kept))) and len(kept) > 100
    assert "compression.damaged" in streamed.quarantined.counts


def test_too_many_rejects_are_an_error_at_the_end_of_the_pass(tmp_path):
    (tmp_path / "f.jsonl").write_bytes(b'{"a":1}\n[]\n')
    found = []
    with pytest.raises(GateError, match="1 of 2 records were rejected, most of them json"):
        found.extend(toolkit.ingest(tmp_path, settings=Ingest(max_reject_share=0.4)))
    assert toolkit.ingest(tmp_path, settings=Ingest(max_reject_share=0.5)) is not None


def test_a_file_that_is_not_there_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(RequestError, match="no file at"):
        toolkit.ingest(tmp_path / "none.jsonl")


def test_workers_without_a_lake_are_refused(tmp_path):
    with pytest.raises(RequestError, match="give an executor"):
        toolkit.ingest(tmp_path, workers=2)


def test_a_stream_writes_nothing(mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(mixed.rglob("*"))
    list(toolkit.ingest(mixed))
    assert list(tmp_path.iterdir()) == [] and sorted(mixed.rglob("*")) == before


class Generated(io.RawIOBase):
    """A file of ``size`` bytes that is made as it is read."""

    def __init__(self, size):
        self.left, self.line = size, b'{"text":"%b"}\n' % (b"x" * 2000)
        self.block = self.line * 64

    def readable(self):
        return True

    def readinto(self, buffer):
        count = min(len(buffer), self.left, len(self.block))
        count -= count % len(self.line)
        buffer[:count] = self.block[:count]
        self.left -= count
        return count


@pytest.mark.parametrize("kind", ["batches", "records"])
def test_memory_is_that_of_a_span_however_long_the_stream(kind):
    size = 40 << 20
    stdin = io.BufferedReader(Generated(size), 1 << 18)
    streamed = toolkit.ingest("-", stdin=stdin, settings=Ingest(shard_bytes=1 << 20))
    tracemalloc.start()
    try:
        rows = sum(b.num_rows for b in streamed.batches()) if kind == "batches" else sum(1 for _ in streamed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows > 19_000 and peak < 16 << 20, peak


def test_memory_is_that_of_a_shard_however_large_the_lake(tmp_path):
    stdin = io.BufferedReader(Generated(40 << 20), 1 << 18)
    small = Ingest(shard_bytes=1 << 20)
    lake = toolkit.ingest("-", tmp_path / "lake", stdin=stdin, settings=small, workers=1).lake
    held = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        rows = sum(batch.num_rows for batch in batches(lake, repeats=True))
        rows += sum(1 for _ in records(lake, repeats=True))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows > 38_000 and peak < 12 << 20 and pa.total_allocated_bytes() - held < 12 << 20


# plain tools


@pytest.mark.parametrize(
    "compression,level,tool", [("gz", 6, "zcat"), ("zst", 3, "zstdcat"), ("none", 0, "cat")]
)
def test_every_shard_is_json_lines_to_plain_tools(mixed, tmp_path, compression, level, tool):
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool}")
    chosen = Ingest(shard_bytes=1024, compression=compression, level=level)
    lake = toolkit.ingest(mixed, tmp_path / "lake", settings=chosen, workers=1).lake
    paths = shard_paths(lake)
    assert len(paths) > 5
    out = subprocess.run([tool, *paths], capture_output=True, check=True).stdout
    assert [json.loads(line) for line in out.splitlines()] == list(records(lake, repeats=True))
