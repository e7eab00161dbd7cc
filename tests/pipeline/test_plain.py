"""Plain files and tables in parts: every row once, its texts, and what stays as it came."""

import bz2
import gzip
import json
import lzma
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.stages import plain
from toolkit.pipeline.stages.plain import parts as cutting

ROWS = [{"id": i, "text": f"row {i} " + "x" * (i * 7 % 50)} for i in range(300)]
PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: bytes(pa.compress(data, "zstd")),
}


def jsonl(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parts_of(inputs, work):
    return pickle.loads(pickle.dumps(plain.text_parts(plain.as_inputs(inputs), work)))


def searched(inputs, work, text=None):
    parts = parts_of(inputs, work)
    rows = [(part, plain.read_rows(part)) for part in parts]
    return [found for part, one in rows for found in plain.searched_texts(one, text, part.name).to_pylist()]


def compared(inputs, work, text=None):
    found = [plain.compared_texts(plain.read_rows(part), text) for part in parts_of(inputs, work)]
    return [text for one in found for text in one.texts.to_pylist()], sum(one.without for one in found)


@pytest.fixture(params=["jsonl", "jsonl.gz", "jsonl.bz2", "jsonl.zst", "jsonl.xz", "parquet", "table"])
def given_as(request, tmp_path):
    if request.param == "table":
        return pa.Table.from_pylist(ROWS)
    path = tmp_path / f"in.{request.param}"
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=37)
    else:
        path.write_bytes(PACK.get(request.param.split(".")[-1], bytes)(jsonl(ROWS)))
    return path


@pytest.mark.parametrize("size", [1, 500, 1 << 20])
def test_every_row_comes_once_whatever_the_size_of_parts(given_as, size, tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "PART_BYTES", size)
    parts = parts_of(given_as, tmp_path / "work")
    found = [plain.read_rows(part) for part in parts]
    assert np.concatenate([one.line for one in found]).tolist() == list(range(1, 301))
    assert [record for one in found for record in one.records()] == ROWS
    assert found[-1].record(len(found[-1]) - 1) == ROWS[-1]
    assert searched(given_as, tmp_path / "work") == [[row["text"]] for row in ROWS]
    assert compared(given_as, tmp_path / "work") == ([row["text"] for row in ROWS], 0)
    assert [part.number for part in parts] == list(range(len(found)))
    assert len({tuple(sorted(part.identity().items(), key=str)) for part in parts}) == len(parts)


def test_what_is_written_is_what_came(given_as, tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "PART_BYTES", 4000)
    out = tmp_path / "out"
    for part in parts_of(given_as, tmp_path / "work"):
        rows = plain.read_rows(part)
        path = plain.write_survivors(out, part, rows, np.arange(len(rows)))
        assert path == out / part.output
    table = plain.read_survivors(out)
    if isinstance(given_as, pa.Table) or given_as.suffix == ".parquet":
        assert table.equals(pa.Table.from_pylist(ROWS))
    else:
        assert table["line"].to_pylist() == jsonl(ROWS).splitlines()
    searched_again = searched(str(out / "part-*"), tmp_path / "again")
    assert searched_again == [[row["text"]] for row in ROWS]


@pytest.mark.parametrize(
    ("came", "leaves"), [("", ""), (".gz", ".gz"), (".zst", ".zst"), (".bz2", ".zst"), (".xz", ".zst")]
)
def test_what_came_compressed_leaves_compressed(tmp_path, came, leaves):
    path = tmp_path / f"in.jsonl{came}"
    path.write_bytes(PACK.get(came[1:], bytes)(jsonl(ROWS)))
    (part,) = parts_of(path, tmp_path / "work")
    assert part.output == f"part-00000.jsonl{leaves}"


def test_lines_keep_their_bytes_and_their_numbers(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text":"b" }\n{"text":"c"}')
    (part,) = parts_of(path, tmp_path)
    rows = plain.read_rows(part)
    assert rows.raw() == [b'{"text": "a"}', b'{"text":"b" }', b'{"text":"c"}']
    assert rows.line.tolist() == [1, 4, 5] and rows.length.tolist() == [13, 13, 12]


CHAT = [{"role": "user", "content": "hi", "name": "bob"}, {"role": "assistant", "content": "ho"}]


@pytest.mark.parametrize(
    ("row", "text", "found"),
    [
        ({"text": "a", "other": "b"}, None, ["a"]),
        ({"messages": CHAT, "other": "b"}, None, ["hi", "bob", "ho"]),
        ({"q": "a", "deep": {"r": ["b", None]}, "n": 1}, None, ["a", "b"]),
        ({"q": "a", "deep": {"r": "b"}}, "deep.r", ["b"]),
        ({"q": "a", "x.y": "b"}, "x.y", ["b"]),
        ({"text": '{"q": "a\\nb"}'}, None, ['{"q": "a\\nb"}', "a\nb"]),
        ({"text": 5}, None, []),
    ],
)
def test_what_is_searched_is_every_text_of_the_field_or_of_the_first_that_is_there(
    tmp_path, row, text, found
):
    (tmp_path / "a.jsonl").write_bytes(jsonl([row]))
    assert searched(tmp_path / "a.jsonl", tmp_path / "w", text) == [found]
    assert searched(pa.Table.from_pylist([row]), tmp_path / "w", text) == [found]


@pytest.mark.parametrize(
    ("row", "text", "found", "without"),
    [
        ({"text": "a", "messages": CHAT}, None, "a", 0),
        ({"messages": CHAT}, None, "hi ho", 0),
        ({"deep": {"r": "b"}}, "deep.r", "b", 0),
        ({"x.y": "b"}, "x.y", "b", 0),
        ({"text": ""}, None, "", 0),
        ({"other": "a"}, None, "", 1),
        ({"text": "a"}, "nope", "", 1),
        ({"text": 5}, None, "", 1),
    ],
)
def test_what_is_compared_is_one_text(tmp_path, row, text, found, without):
    (tmp_path / "a.jsonl").write_bytes(jsonl([row]))
    for given in (tmp_path / "a.jsonl", pa.Table.from_pylist([row])):
        (said,), lacking = compared(given, tmp_path / "w", text)
        assert said.split() == found.split() and lacking == without


def test_a_null_has_no_words(tmp_path):
    table = pa.table({"text": pa.array([None], pa.string())})
    assert "".join(searched(table, tmp_path)[0]) == "" and compared(table, tmp_path) == ([""], 0)


@pytest.mark.parametrize("text", ["nope", "id.x"])
def test_a_field_that_is_not_there_is_named_with_its_place(given_as, tmp_path, text):
    with pytest.raises(RequestError, match=f"no field '{text}'"):
        searched(given_as, tmp_path, text)


def test_what_is_damaged_keeps_what_came_before(tmp_path):
    lines = jsonl(ROWS)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines)[:-200])
    rows = [plain.read_rows(part) for part in parts_of(tmp_path / "c.jsonl.gz", tmp_path / "w")]
    kept = [line for one in rows for line in one.raw()]
    assert kept and lines.startswith(b"\n".join(kept) + b"\n")
    assert any("compression.damaged" in one.rejected for one in rows)


def test_what_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    said = {"a.csv": "expected JSON lines or Parquet", "b.parquet": "cannot be read", "none": "no file"}
    for name, message in said.items():
        with pytest.raises(RequestError, match=message):
            parts_of(tmp_path / name, tmp_path)
    with pytest.raises(RequestError, match="no input"):
        parts_of([], tmp_path)


def test_a_file_that_changes_after_it_was_cut_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROWS))
    (part,) = parts_of(tmp_path / "a.jsonl", tmp_path)
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROWS).replace(b"row 1 ", b"row 2 "))
    with pytest.raises(ToolkitError, match="changed while it was read"):
        plain.read_rows(part)


def test_an_empty_file_has_no_rows(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "b.parquet")
    nothing = [tmp_path / "a.jsonl", tmp_path / "b.parquet", pa.table({"text": ["x"]}).slice(1)]
    assert searched(nothing, tmp_path / "w") == [] and compared(nothing, tmp_path / "w") == ([], 0)


def test_the_output_and_the_inputs_lie_apart(tmp_path):
    plain.check_apart(tmp_path / "out", [tmp_path / "in.jsonl", tmp_path / "in"])
    with pytest.raises(RequestError, match="lies in the input"):
        plain.check_apart(tmp_path / "out", [tmp_path])
    with pytest.raises(RequestError, match="holds the input"):
        plain.check_apart(tmp_path, [tmp_path / "in.jsonl"])
