"""Plain files and tables in parts: every row once, its texts, and a place for every fault."""

import bz2
import gzip
import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from toolkit.errors import RequestError
from toolkit.pipeline import texts
from toolkit.pipeline.texts import open_texts, sink

ROWS = [{"id": i, "text": f"row {i} " + "x" * (i * 7 % 50)} for i in range(300)]


def jsonl(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def fields_of(inputs, text=None):
    opened = open_texts(inputs, text)
    return [row for part in opened.parts() for row in opened.read(part).fields.to_pylist()]


@pytest.fixture(params=["jsonl", "jsonl.gz", "jsonl.bz2", "jsonl.zst", "parquet", "table"])
def given_as(request, tmp_path):
    if request.param == "table":
        return pa.Table.from_pylist(ROWS)
    path = tmp_path / f"in.{request.param}"
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=37)
    else:
        pack = {"gz": gzip.compress, "bz2": bz2.compress, "zst": lambda d: bytes(pa.compress(d, "zstd"))}
        path.write_bytes(pack.get(request.param.split(".")[-1], bytes)(jsonl(ROWS)))
    return path


@pytest.mark.parametrize("size", [1, 500, 1 << 20])
def test_every_row_comes_once_whatever_the_size_of_parts(given_as, size, monkeypatch):
    monkeypatch.setattr(texts, "PART_BYTES", size)
    monkeypatch.setattr(texts, "BATCH_BYTES", max(size // 3, 1))
    opened = pickle.loads(pickle.dumps(open_texts(given_as)))
    found = [opened.read(part) for part in opened.parts()]
    assert [row for one in found for row in one.fields.to_pylist()] == [[row["text"]] for row in ROWS]
    assert np.concatenate([one.numbers for one in found]).tolist() == list(range(1, 301))
    assert [part.number for part in opened.parts()] == list(range(len(found)))


def test_what_is_written_back_is_what_came(given_as, tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "PART_BYTES", 4000)
    opened, paths = open_texts(given_as), []
    for part in opened.parts():
        paths.append(tmp_path / "out" / f"{part.number:05d}{part.suffix}")
        with sink(part, paths[-1]) as file:
            for rows in opened.batches(part):
                file.write(rows.table)
    assert fields_of(paths) == fields_of(given_as)


def test_lines_keep_their_bytes_and_their_numbers(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text":"b" }\n{"text":"c"}')
    opened = open_texts(path)
    rows = opened.read(opened.parts()[0])
    assert rows.table["line"].to_pylist() == [b'{"text": "a"}\r', b'{"text":"b" }', b'{"text":"c"}']
    assert rows.numbers.tolist() == [1, 4, 5] and rows.joined().to_pylist() == ["a", "b", "c"]
    assert rows.sizes.tolist() == [14, 13, 12]


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
def test_the_texts_of_a_row_are_those_of_the_field_or_of_the_first_that_is_there(tmp_path, row, text, found):
    (tmp_path / "a.jsonl").write_bytes(jsonl([row]))
    assert fields_of(tmp_path / "a.jsonl", text) == [found]
    assert fields_of(pa.Table.from_pylist([row]), text) == [found]


def test_a_null_has_no_words():
    assert "".join(fields_of(pa.table({"text": pa.array([None], pa.string())}))[0]) == ""


@pytest.mark.parametrize("text", ["nope", "id.x"])
def test_a_field_that_is_not_there_is_named_with_its_place(given_as, text):
    with pytest.raises(RequestError, match=f"no field '{text}'"):
        fields_of(given_as, text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{oops", "a.jsonl:2: not JSON"),
        (b"[1]", "a.jsonl:2: expected a JSON object"),
        (b'{"a":"\xff"}', ":2: "),
    ],
)
def test_a_line_that_is_no_record_is_named_by_its_place(tmp_path, line, said):
    (tmp_path / "a.jsonl").write_bytes(b'{"text":"a"}\n' + line + b"\n")
    with pytest.raises(RequestError, match=said):
        fields_of(tmp_path / "a.jsonl")


def test_what_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text":"a"}\n' * 99)[:-20])
    cases = {
        "a.csv": "expected Parquet or JSON lines",
        "b.parquet": "cannot read",
        "c.jsonl.gz": "cannot read",
    }
    for name, said in cases.items():
        with pytest.raises(RequestError, match=said):
            fields_of(tmp_path / name)
    for nothing in (tmp_path / "none", []):
        with pytest.raises(RequestError, match=r"^no "):
            open_texts(nothing)


def test_an_empty_file_has_no_rows(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "b.parquet")
    assert fields_of([tmp_path / "a.jsonl", tmp_path / "b.parquet", pa.table({"text": ["x"]}).slice(1)]) == []
