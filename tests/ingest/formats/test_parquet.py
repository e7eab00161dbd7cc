import datetime
import json
import math
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.ingest.formats import parquet
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Limits

LARGE = Limits(1 << 30, 1 << 30)


@pytest.fixture
def read(tmp_path):
    """Write a table, read it back: (payload, fault) of each row."""

    def read(table, limits=LARGE, **options):
        path = tmp_path / "a.parquet"
        pq.write_table(table, path, **options)
        found = []
        for span in parquet.cut_file(path, limits):
            frames = parquet.frames_of(path, span, Options("a.parquet"))
            assert frames.line.tolist() == list(range(span.line, span.line + span.stop - span.start))
            found += [(frames.payload(row), frames.faults.get(row)) for row in range(len(frames))]
        return found

    return read


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INNER = st.fixed_dictionaries({"x": TEXT, "y": st.none() | st.integers(0, 9)})
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | TEXT,
        "int": st.none() | st.integers(-(2**63), 2**63 - 1),
        "float": st.none() | st.floats(),
        "list": st.none() | st.lists(st.none() | INNER, max_size=3),
    }
)
SCHEMA = pa.schema(
    [("text", pa.string()), ("int", pa.int64()), ("float", pa.float64()),
     ("list", pa.list_(pa.struct([("x", pa.string()), ("y", pa.int8())])))]
)  # fmt: skip


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=12), st.integers(1, 5), st.integers(1, 300))
def test_rows_come_back_as_they_were_written(read, rows, group, shard):
    found = read(pa.Table.from_pylist(rows, SCHEMA), Limits(shard, 1), row_group_size=group)
    back = [json.loads(payload) for payload, _ in found]
    assert [list(row) for row in back] == [SCHEMA.names] * len(rows)
    assert [json.dumps(row, sort_keys=True) for row in back] == [
        json.dumps(row, sort_keys=True) for row in rows
    ]
    odd = [row["float"] is not None and not math.isfinite(row["float"]) for row in rows]
    assert [fault is not None and fault[0] == "json.non_finite" for _, fault in found] == odd


HOSTILE = {
    "uint64": (pa.uint64(), 2**64 - 1, "18446744073709551615"),
    "float32": (pa.float32(), 0.1, "0.10000000149011612"),
    "float16": (pa.float16(), 1.5, "1.5"),
    "minus nought": (pa.float64(), -0.0, "-0.0"),
    "decimal128": (pa.decimal128(38, 3), Decimal("12345678901234567890.120"), "12345678901234567890.120"),
    "decimal256": (pa.decimal256(70, 2), Decimal("1" * 60 + ".25"), "1" * 60 + ".25"),
    "date32": (pa.date32(), 20_000, '"2024-10-04"'),
    "date beyond year 9999": (pa.date32(), 2**31 - 1, '"2147483647 days since 1970-01-01"'),
    "date64": (pa.date64(), 86_400_000, '"1970-01-02"'),
    "time32": (pa.time32("ms"), 1, '"00:00:00.001"'),
    "time64": (pa.time64("ns"), 1, '"00:00:00.000000001"'),
    "time beyond the day": (pa.time32("ms"), 86_400_000, '"86400000 ms since midnight"'),
    "timestamp": (pa.timestamp("us"), -1, '"1969-12-31T23:59:59.999999"'),
    "timestamp in ns": (pa.timestamp("ns"), 2**62 + 1, '"2116-02-20T23:53:38.427387905"'),
    "timestamp with a zone": (pa.timestamp("ms", "Europe/Paris"), 0, '"1970-01-01T00:00:00.000Z"'),
    "timestamp beyond year 9999": (
        pa.timestamp("us", "UTC"),
        2**62,
        '"4611686018427387904 us since 1970-01-01"',
    ),
    "duration": (pa.duration("ms"), -1500, '"-PT1.5S"'),
    "binary": (pa.binary(), b"\xff\0", '"/wA="'),
    "fixed binary": (pa.binary(2), b"ab", '"YWI="'),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), "a", '"a"'),
    "large text": (pa.large_string(), "é\n", '"é\\n"'),
    "text view": (pa.string_view(), "a", '"a"'),
    "list of struct": (pa.list_(pa.struct([("x", pa.int8())])), [{"x": 1}, None], '[{"x":1},null]'),
    "empty list": (pa.list_(pa.int8()), [], "[]"),
    "fixed list": (pa.list_(pa.int8(), 2), [1, 2], "[1,2]"),
    "map": (pa.map_(pa.string(), pa.int8()), [("b", 1), ("a", None)], '{"b":1,"a":null}'),
    "map with a key twice": (pa.map_(pa.string(), pa.int8()), [("a", 1), ("a", 2)], '{"a":1,"a":2}'),
    "map of numbers": (pa.map_(pa.int32(), pa.string()), [(1, "x")], '[[1,"x"]]'),
    "uuid": (pa.uuid(), b"0" * 16, '"MDAwMDAwMDAwMDAwMDAwMA=="'),
    "boolean": (pa.bool_(), True, "true"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_type_is_spelled_exactly(read, name):
    kind, value, text = HOSTILE[name]
    found = read(pa.table({"a": pa.array([value, None, value], kind)}))
    assert [payload.decode() for payload, _ in found] == [
        f'{{"a":{spelled}}}' for spelled in (text, "null", text)
    ]
    assert not any(fault for _, fault in found)


def test_a_null_column_is_null(read):
    assert read(pa.table({"a": pa.nulls(2)})) == [(b'{"a":null}', None)] * 2


@pytest.mark.parametrize(
    "table", [pa.table({"a": pa.array([], pa.int8())}), pa.table({})], ids=["no rows", "no columns"]
)
def test_a_table_without_rows_has_no_span(read, table):
    assert read(table) == []


def test_a_file_without_row_groups_has_no_span(tmp_path):
    with pq.ParquetWriter(tmp_path / "a", pa.schema([("a", pa.int8())])):
        pass
    assert parquet.cut_file(tmp_path / "a", LARGE) == ()


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_what_is_not_finite_is_a_fault_with_its_column(read, value, text):
    table = pa.table({"i": [1, 2], "f": [[{"x": 1.0}], [{"x": value}]]})
    fault = ("json.non_finite", f"column 'f': {text}")
    assert read(table) == [
        (b'{"i":1,"f":[{"x":1.0}]}', None),
        (b'{"i":2,"f":[{"x":%b}]}' % text.encode(), fault),
    ]


def test_text_that_is_not_utf8_costs_one_row_and_no_byte(read):
    raw = pa.array([b"ok", b"a\xffb", "é".encode()])
    bad = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    found = read(pa.table({"a": bad}))
    assert found[1] == (b'{"a":"a\\udcffb"}', ("utf8.invalid", "column 'a': byte 0xff"))
    assert json.loads(found[1][0])["a"].encode("utf-8", "surrogateescape") == b"a\xffb"
    assert [payload for payload, _ in found[::2]] == [b'{"a":"ok"}', '{"a":"é"}'.encode()]


def test_a_column_named_twice_stays_twice(read):
    table = pa.table([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert read(table) == [(b'{"a":1,"a":"x"}', None)]


@pytest.mark.parametrize("group", [1, 3, 100, 1000])
@pytest.mark.parametrize("shard", [1, 500, 10**6])
def test_spans_cover_the_rows_whatever_the_row_groups(tmp_path, group, shard):
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "a", row_group_size=group)
    spans = parquet.cut_file(tmp_path / "a", Limits(shard, 1))
    ends = [0, *(span.stop for span in spans)]
    assert ([span.start for span in spans], ends[-1]) == (ends[:-1], 1000)
    rows = [parquet.frames_of(tmp_path / "a", span, Options("a")).payload(0) for span in spans[:3]]
    assert rows == [b'{"a":%d}' % span.start for span in spans[:3]]


def test_a_table_that_grows_when_it_is_read_is_cut_by_what_it_becomes(tmp_path):
    table = pa.table({"a": pa.array(["x" * 1000] * 20_000)})
    pq.write_table(table, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size < 100_000
    spans = parquet.cut_file(tmp_path / "a", Limits(5_000_000, 1))
    assert max(span.stop - span.start for span in spans) <= 10_000


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"not Parquet" * 9, b"PAR1" + b"\xff" * 50 + b"PAR1"], ids=repr
)
def test_what_is_no_parquet_file_is_damaged(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(parquet.Damaged):
        parquet.cut_file(tmp_path / "a", LARGE)


def test_damage_is_found_before_a_record_is_taken(tmp_path):
    pq.write_table(pa.table({"a": list(range(5000))}), tmp_path / "a", write_page_checksum=True)
    data = bytearray((tmp_path / "a").read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(parquet.Damaged):
        parquet.cut_file(tmp_path / "a", LARGE)


def test_a_file_that_changed_is_damaged(tmp_path):
    pq.write_table(pa.table({"a": list(range(50))}), tmp_path / "a")
    span = parquet.cut_file(tmp_path / "a", LARGE)[0]
    pq.write_table(pa.table({"a": list(range(5))}), tmp_path / "a")
    with pytest.raises(parquet.Damaged, match="has the file changed"):
        parquet.frames_of(tmp_path / "a", span, Options("a"))


def test_the_range_of_python_is_not_a_limit(read):
    stamps = [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59)]
    found = read(pa.table({"a": pa.array(stamps, pa.timestamp("us"))}))
    assert [json.loads(payload)["a"][:19] for payload, _ in found] == [stamp.isoformat() for stamp in stamps]
