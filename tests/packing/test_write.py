"""Gold's own Parquet: what Arrow, and every other reader that is here, makes of it is what was written."""

import io
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing import GOLD_SFT, write_gold
from toolkit.packing.gold import write
from toolkit.packing.tokens.bits import to_arrow, to_bits, to_flags
from toolkit.storage import thrift

IDS, FLAGS, NAMES = pa.list_(pa.int32()), pa.list_(pa.bool_()), pa.list_(pa.string())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
NUMBER = st.integers(-(2**31), 2**31 - 1)
ROW = st.tuples(
    st.lists(NUMBER, max_size=40),
    st.lists(st.booleans(), max_size=40),
    st.lists(TEXT, max_size=5),
    NUMBER,
    TEXT,
)
SCHEMA = pa.schema([("a", IDS), ("b", FLAGS), ("c", NAMES), ("d", pa.int32()), ("é ", pa.string())])


def table_of(rows, schema=SCHEMA):
    return pa.table([[row[i] for row in rows] for i in range(len(schema))], schema=schema)


def read(path):
    with pq.ParquetFile(path) as file:
        return file.read()


def gold(rng, packs, kinds, context=4096):
    """Packs of random ids of so many kinds."""
    lengths = [rng.integers(1, 400, 12) for _ in range(packs)]
    sizes = [int(part.sum()) for part in lengths]
    ids = rng.choice(kinds, size=sum(sizes)).astype(np.int32)
    ends = np.cumsum([0, *sizes])
    columns = [
        [ids[a:b] for a, b in pairwise(ends)],
        [rng.random(size) < 0.5 for size in sizes],
        lengths,
        [[f"{rng.integers(1 << 60):064x}" for _ in part] for part in lengths],
        [np.cumsum(part) - part for part in lengths],
    ]
    return pa.table(columns, schema=GOLD_SFT).replace_schema_metadata({"context": str(context), "é": "\n"})


@settings(max_examples=80)
@given(st.lists(ROW, min_size=1, max_size=12), st.data())
def test_what_arrow_reads_is_what_was_written(tmp_path_factory, rows, data):
    path = tmp_path_factory.mktemp("gold") / "part.parquet"
    whole = table_of(rows).replace_schema_metadata({"k": "v"})
    cut = data.draw(st.integers(0, len(rows)))
    pieces = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    write_gold(path, pieces)
    again = read(path)
    again.validate(full=True)
    assert again.equals(whole)
    pq.write_table(whole, path.with_name("arrows.parquet"))
    for schema in (again.schema, pq.read_schema(path)):
        assert schema.equals(pq.read_schema(path.with_name("arrows.parquet")), check_metadata=True)
    assert pq.read_metadata(path).metadata[b"k"] == b"v"
    bytes_ = path.read_bytes()
    write_gold(path, whole)
    assert path.read_bytes() == bytes_


@pytest.mark.parametrize("size", [1, 7, 64])
def test_small_pages_and_row_groups_hold_the_same(tmp_path, monkeypatch, size):
    monkeypatch.setattr(write, "PAGE", size)
    monkeypatch.setattr(write, "ROW_GROUP", 5)
    rng = np.random.default_rng(size)
    rows = [
        (
            rng.integers(-9, 9, rng.integers(0, 20)).tolist(),
            (rng.random(rng.integers(0, 20)) < 0.5).tolist(),
            ["x" * k for k in range(rng.integers(0, 4))],
            int(rng.integers(100)),
            "t" * int(rng.integers(4)),
        )
        for _ in range(23)
    ]
    write_gold(tmp_path / "a.parquet", table_of(rows))
    assert read(tmp_path / "a.parquet").equals(table_of(rows))
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.num_row_groups == 5
    assert pq.read_table(tmp_path / "a.parquet", columns=["c"])["c"].to_pylist() == [row[2] for row in rows]


@pytest.mark.parametrize(
    ("kinds", "encoding"), [(700, "RLE_DICTIONARY"), (1 << 16, "RLE_DICTIONARY"), (70_000, "PLAIN")]
)
def test_ids_of_few_kinds_go_through_a_dictionary(tmp_path, kinds, encoding):
    rng = np.random.default_rng(kinds)
    table = gold(rng, 120, kinds)
    ids = np.arange(kinds, dtype=np.int32)  # each occurs
    values = np.concatenate([table["input_ids"].combine_chunks().values.to_numpy()[: -kinds or None], ids])
    offsets = table["input_ids"].combine_chunks().offsets
    table = table.set_column(0, "input_ids", pa.ListArray.from_arrays(offsets, pa.array(values)))
    write_gold(tmp_path / "a.parquet", table)
    about = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(0)
    assert about.encodings[-1] == encoding
    assert about.compression == "ZSTD"
    assert read(tmp_path / "a.parquet").equals(table)


def test_many_pages_of_gold_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "PAGE", 1 << 13)
    table = gold(np.random.default_rng(0), 60, 50_000)
    assert len(table["input_ids"].combine_chunks().values) > write.KINDS
    write_gold(tmp_path / "a.parquet", table)
    again = read(tmp_path / "a.parquet")
    assert again.equals(table)
    assert again.schema.metadata == table.schema.metadata


def test_it_is_smaller_than_arrows(tmp_path):
    table = gold(np.random.default_rng(1), 100, 30_000)
    write_gold(tmp_path / "a.parquet", table)
    pq.write_table(table, tmp_path / "b.parquet", compression="zstd", use_dictionary=False)
    assert (tmp_path / "a.parquet").stat().st_size < (tmp_path / "b.parquet").stat().st_size


def test_pages_of_texts_are_cut_by_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "PAGE", 1000)
    sizes = []
    page = write._page
    monkeypatch.setattr(
        write, "_page", lambda file, kind, head, data: sizes.append(len(data)) or page(file, kind, head, data)
    )
    table = pa.table({"a": pa.array([["é" * (k % 90)] * (k % 3) for k in range(400)], NAMES)})
    write_gold(tmp_path / "a.parquet", table)
    assert len(sizes) > 20 and max(sizes) < 1000 + 2 * 180 + 400
    assert read(tmp_path / "a.parquet").equals(table)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": pa.array([[1], None], IDS)}),
        pa.table({"a": pa.array([[1, None]], IDS)}),
        pa.table({"a": pa.array([1.5])}),
        pa.table({"a": pa.array([[[1]]], pa.list_(IDS))}),
        GOLD_SFT.empty_table(),
        pa.table([[1]], schema=pa.schema([pa.field("a", pa.int32(), nullable=False)])),
        pa.table([[[1]]], schema=pa.schema([("a", pa.list_(pa.field("x", pa.int32(), nullable=False)))])),
    ],
)
def test_other_tables_go_by_arrow(tmp_path, table):
    write_gold(tmp_path / "a.parquet", table)
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.created_by != "toolkit"
    assert read(tmp_path / "a.parquet").equals(table)


def test_a_table_without_columns_is_arrows_matter(tmp_path):
    write_gold(tmp_path / "a.parquet", pa.table({"a": pa.array([1], pa.int32())}).select([]))
    assert pq.read_metadata(tmp_path / "a.parquet").num_columns == 0


@pytest.mark.skipif(find_spec("duckdb") is None, reason="duckdb is not installed")
def test_duckdb_reads_it(tmp_path):
    import duckdb

    table = gold(np.random.default_rng(2), 60, 50_000)
    write_gold(tmp_path / "a.parquet", table)
    found = duckdb.sql(f"select * from '{tmp_path / 'a.parquet'}'").fetchall()
    assert found == [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.skipif(find_spec("polars") is None, reason="polars is not installed")
def test_polars_reads_it(tmp_path):
    import polars

    table = gold(np.random.default_rng(3), 60, 50_000)
    write_gold(tmp_path / "a.parquet", table)
    assert polars.read_parquet(tmp_path / "a.parquet").to_arrow().to_pylist() == table.to_pylist()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300)), max_size=9))
def test_runs_say_what_a_plain_reading_of_the_format_finds(runs):
    values, counts = [v for v, _ in runs], [c for _, c in runs]
    data = io.BytesIO(write._runs(values, counts)) if sum(counts) else io.BytesIO(bytes(4))
    assert int.from_bytes(data.read(4), "little") == len(data.getvalue()) - 4
    found = []
    while byte := data.read(1):
        header = shift = 0
        while True:
            header |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                break
            byte = data.read(1)
        assert header % 2 == 0  # a run, not packed bits
        found += [data.read(1)[0]] * (header >> 1)
    assert found == [v for v, c in runs for _ in range(c)]


@given(st.lists(st.booleans(), max_size=70), st.integers(0, 20), st.integers(0, 20))
def test_bits_and_flags_are_the_same_flags(flags, first, size):
    array = np.array(flags, np.bool_)
    bits = to_bits(array)
    assert bits.to_pylist() == flags
    assert to_flags(bits.slice(first, size)).tolist() == flags[first : first + size]
    assert to_arrow(array).equals(bits)
    assert to_arrow(np.arange(3, dtype=np.int32)).equals(pa.array([0, 1, 2], pa.int32()))


def test_a_mask_with_a_null_is_refused():
    with pytest.raises(ValueError, match="null"):
        to_flags(pa.array([True, None]))


def test_thrift_integers_and_lists_are_those_of_its_specification():
    assert thrift.i32(-1) == (5, b"\1")
    with pytest.raises(ValueError, match="32 bits"):
        thrift.i32(1 << 31)
    assert thrift.i32(50399) == (5, b"\xbe\x93\x06")
    assert thrift.i64(-(2**63)) == (6, b"\xff" * 9 + b"\1")
    assert thrift.many([thrift.i32(1)] * 15) == (9, b"\xf5\x0f" + b"\2" * 15)
    assert thrift.struct({1: thrift.i32(0), 5: thrift.binary(b"x")}) == (12, b"\x15\0\x48\1x\0")
