import itertools
import shutil
import subprocess

import pyarrow as pa
import pytest

from toolkit.errors import ToolkitError
from toolkit.storage import (
    read_ipc,
    read_parquet,
    read_shard,
    sha256_file,
    write_ipc,
    write_parquet,
    write_shard,
)

LINES = b"".join(b'{"n":%d,"t":"\xe2\x80\xa8\r"}\n' % n for n in range(5000))


def table(rows):
    texts = [f"text {n % 700} é" * (n % 5) if n % 7 else None for n in range(rows)]
    return pa.table({"text": texts, "list": pa.array([[str(n)] * (n % 3) for n in range(rows)])})


def recut(whole, cuts):
    edges = [0, *cuts, len(whole)]
    return pa.concat_tables([whole.slice(a, b - a) for a, b in itertools.pairwise(edges)])


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the program zstd is not here")
def test_a_shard_is_readable_by_the_zstd_program(tmp_path):
    write_shard(tmp_path / "a.zst", LINES)
    read = subprocess.run(["zstd", "-dc", str(tmp_path / "a.zst")], capture_output=True, check=True)
    assert read.stdout == LINES


def test_a_shard_gives_back_its_lines(tmp_path):
    write_shard(tmp_path / "a.zst", LINES)
    assert read_shard(tmp_path / "a.zst") == LINES.split(b"\n")[:-1]


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.jsonl.gz", "a.jsonl"])
def test_writing_a_shard_tells_its_hash(tmp_path, name):
    assert write_shard(tmp_path / name, LINES) == sha256_file(tmp_path / name)


def test_a_shard_without_lines_gives_none(tmp_path):
    write_shard(tmp_path / "a.zst", b"")
    assert read_shard(tmp_path / "a.zst") == []


def test_equal_lines_give_equal_shards(tmp_path):
    write_shard(tmp_path / "a", LINES)
    write_shard(tmp_path / "b", bytearray(LINES))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kept", [1, 3, 5, 100, -1])
def test_a_shard_cut_anywhere_is_refused(tmp_path, kept):
    write_shard(tmp_path / "a.zst", LINES)
    (tmp_path / "a.zst").write_bytes((tmp_path / "a.zst").read_bytes()[:kept])
    with pytest.raises(ToolkitError, match=r"a\.zst"):
        read_shard(tmp_path / "a.zst")


def test_a_shard_whose_last_line_has_no_end_is_refused(tmp_path):
    write_shard(tmp_path / "a.zst", b"{}\n{")
    with pytest.raises(ToolkitError, match="cut short"):
        read_shard(tmp_path / "a.zst")


def test_a_missing_shard_is_an_error_with_the_path(tmp_path):
    with pytest.raises(ToolkitError, match=r"cannot read shard .*a\.zst"):
        read_shard(tmp_path / "a.zst")


@pytest.mark.parametrize("cuts", [[1], [16_384], [777, 20_000, 20_001], [39_999]], ids=repr)
def test_equal_tables_give_equal_parquet_bytes_however_they_are_cut(tmp_path, cuts):
    write_parquet(tmp_path / "a", table(40_000))
    write_parquet(tmp_path / "b", recut(table(40_000), cuts))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 16_384, 16_385])
def test_a_parquet_table_reads_back(tmp_path, rows):
    write_parquet(tmp_path / "a", table(rows))
    assert read_parquet(tmp_path / "a").equals(table(rows))


def test_some_columns_of_a_parquet_table_read_back(tmp_path):
    write_parquet(tmp_path / "a", table(5))
    assert read_parquet(tmp_path / "a", ["list"]).equals(table(5).select(["list"]))


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_an_arrow_table_reads_back(tmp_path, rows):
    write_ipc(tmp_path / "a", recut(table(rows), [rows // 2]))
    assert read_ipc(tmp_path / "a").equals(table(rows))


def test_an_arrow_table_is_one_batch(tmp_path):
    write_ipc(tmp_path / "a", recut(table(500), [3, 70]))
    assert len(read_ipc(tmp_path / "a").to_batches()) == 1
