"""Any file lands: whatever its keys are, the manifest can be written and stays small."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import toolkit
from ingest.taken import take
from ingest.test_conservation import PIECES
from toolkit.ingest import payload_of
from toolkit.ingest.declared import declared_ids
from toolkit.ingest.shapes import shape_facts
from toolkit.pipeline.spec.tables import Ingest
from toolkit.storage import read_json, read_shard, shards

KEYS = [b'{"\\ud800":1}\n', b'{"\\udfff\\ud800":{"\\ud800":1},"a":2}\n', b'{"\\u0000":1}\n', b'{"":1}\n']
PART = st.one_of(st.binary(max_size=20), st.sampled_from([*PIECES, *KEYS]))
HOSTILE = st.lists(PART, max_size=14).map(b"".join)


def landed(data, name):
    """A file through the verb: (offset, bytes) of what is kept, the books, and whether audit is content."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(data)
        lake = Path(folder, "lake")
        terms = {"declared_id": "a", "settings": Ingest(shard_bytes=1 << 16), "workers": 1}
        toolkit.ingest(str(Path(folder, name)), lake, **terms)
        heads = [payload_of(line) for path in shards(lake / "bronze") for line in read_shard(path)]
        kept = [(json.loads(head)["origin"]["offset"], payload) for head, payload in heads]
        kept += [
            (line["origin"]["offset"], line["raw"]) for line in toolkit.quarantine(lake, limit=None).lines
        ]
        return sorted(kept), read_json(lake / "MANIFEST.json")["ledgers"][0], toolkit.audit(lake).ok


@settings(deadline=None, max_examples=40)
@given(HOSTILE)
@example(b"")
@example(b"".join(KEYS))
@example(b'{"a":["\\ud800"]}\n{"a":{"\\ud800":"\\udfff"}}\n')
def test_any_file_lands_and_gives_its_bytes_back(data):
    kept, books, ok = landed(data, "f.jsonl")
    rest, end = [], 0
    for offset, raw in kept:
        assert data[offset : offset + len(raw)] == raw
        assert offset >= end
        rest.append(data[end:offset])
        end = offset + len(raw)
    rest = b"".join([*rest, data[end:]])
    assert len(rest) == sum(books["overhead"].values())
    assert rest.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n") == b""
    assert ok


@settings(deadline=None, max_examples=40)
@given(HOSTILE, st.sampled_from(["json", "csv", "tsv", "txt", "parquet"]))
def test_any_file_of_any_format_lands_and_its_books_balance(data, suffix):
    _, books, ok = landed(data, f"f.{suffix}")
    assert books["in"]["size"] + sum(books["overhead"].values()) == len(data)
    assert ok


def shapes(*records):
    return take(b"\n".join(json.dumps(record).encode() for record in records)).shapes.to_data()


def test_a_key_that_is_not_unicode_has_no_shape():
    assert [row["keys"] for row in shapes({"a": 1}, {"\ud800": 1})] == [["a"]]


@pytest.mark.parametrize(("keys", "kept"), [(200, 1), (201, 0)])
def test_a_shape_of_very_many_keys_is_not_kept(keys, kept):
    assert len(shapes({f"k{i}": 1 for i in range(keys)})) == kept


def test_the_keys_of_a_file_in_a_part_are_64_kib_at_most():
    rows = shapes(*({f"{i:010000d}": 1} for i in range(20)))
    assert sum(len(key) for row in rows for key in row["keys"]) == 60_000


def odd_files(folder, count):
    """Files of three records each: two of a shape of 20,000 bytes that no other file has, one of another."""
    for i in range(count):
        odd, other = {f"{i:03d}" + "x" * 20_000: 1}, {"y": i}
        Path(folder, f"{i:03d}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (odd, odd, other)))


@pytest.fixture(scope="module")
def odd_part(tmp_path_factory):
    """The manifest of one part of 300 such files."""
    raw, lake = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("made") / "lake"
    odd_files(raw, 300)
    toolkit.ingest(raw, lake, settings=Ingest(shard_bytes=1 << 26), workers=1)
    (path,) = lake.glob("bronze/*/*.manifest.json")
    return path


def test_the_shapes_of_a_part_of_many_odd_files_are_1_mib_at_most(odd_part):
    rows = read_json(odd_part)["facts"]["shapes"]
    size = len(json.dumps(rows, separators=(",", ":")))
    assert (1 << 20) - 25_000 < size <= (1 << 20) + len(rows) + 1  # the commas and brackets of the list


def test_the_records_whose_shape_did_not_fit_are_counted(odd_part):
    manifest = read_json(odd_part)
    told = sum(row["records"] for row in manifest["facts"]["shapes"])
    assert told + manifest["facts"]["records_without_shape"] == manifest["outputs"][0]["rows"] == 900


def test_a_shape_that_does_not_fit_leaves_its_room_to_smaller_ones(odd_part):
    assert ["y"] in [row["keys"] for row in read_json(odd_part)["facts"]["shapes"]]


def test_the_shapes_of_a_part_are_told_in_the_order_of_files_and_lines(odd_part):
    places = [(row["file"], row["first"]) for row in read_json(odd_part)["facts"]["shapes"]]
    assert places == sorted(places)


def test_shapes_that_fit_leave_no_record_without_one():
    assert shape_facts([take(b'{"a":1}\n{"b":1}').shapes])["records_without_shape"] == 0


def test_a_record_whose_keys_are_not_unicode_is_counted_as_one_without_a_shape():
    assert shape_facts([take(b'{"a":1}\n{"\\ud800":1}').shapes])["records_without_shape"] == 1


DECLARED = [
    b"7",
    b'"7"',
    b"7.5",
    b"true",
    b'"true"',
    b'["\\ud800"]',
    b'{"\\ud800":1}',
    b'"\\ud800"',
    b"1" * 4000,
]


def test_a_declared_id_may_be_any_value_and_different_values_differ():
    ids = declared_ids([b'{"id":' + value + b"}" for value in DECLARED], "s", "id")
    assert len({tuple(row) for row in ids.tolist()}) == len(DECLARED)


def test_a_declared_object_is_the_same_in_any_order_of_its_keys():
    one, other = declared_ids([b'{"id":{"a":1,"b":2}}', b'{"id":{"b":2,"a":1}}'], "s", "id").tolist()
    assert one == other
