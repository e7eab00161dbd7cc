"""cuDF's frames: characters go to the kernels as they lie, and the answer is that of the files' own dedup."""

import importlib.util
import json
import random
import re
import sys
from itertools import pairwise
from pathlib import Path

import imitation
import imitation_cudf
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import TEXTS, needs_compiler

import toolkit
from toolkit.dedup.frames import deduplicate
from toolkit.errors import RequestError
from toolkit.kernels.cuda import Cuda
from toolkit.kernels.cuda.columns import Columns


@pytest.fixture
def columns(monkeypatch):
    with imitation.installed(monkeypatch):
        imitation_cudf.installed(monkeypatch)
        door = Cuda()
        door.use()
        yield Columns(door)


def corpus(draw, count):
    """Texts with copies, some hidden by case and spaces, near copies, other scripts, and nulls."""
    words = ["".join(draw.choices("abcdefghiklmnoprstuv", k=draw.randint(2, 9))) for _ in range(400)]
    words += ["naïve", "Straße", "ещё", "日本語", "é" * 4]
    texts = [None, "", " \t", "one", "ONE "]
    while len(texts) < count:
        kind = draw.random()
        if kind < 0.5:
            texts.append(" ".join(draw.choices(words, k=draw.randint(1, 120))))
            continue
        old = draw.choice(texts) or "one"
        if kind < 0.6:
            texts.append(old)
        elif kind < 0.7:
            texts.append(old.upper().replace(" ", "  "))
        else:
            new = old.split(" ")
            for _ in range(draw.randint(1, 3)):
                new[draw.randrange(len(new))] = draw.choice(words)
            texts.append(" ".join(new))
    draw.shuffle(texts)
    return texts


@pytest.mark.parametrize("offsets", [np.int32, np.int64])
@pytest.mark.parametrize("before", [0, 3])
def test_characters_are_handed_over_where_they_lie(columns, offsets, before):
    texts = ["a", "bc", "", "déf", "", "日本", "x" * 100]
    series = imitation_cudf.Series.of_texts(texts, before, offsets)
    data, ends = columns.texts(series)
    assert data.dtype == np.uint8 and ends.dtype == np.int64
    assert np.shares_memory(np.asarray(data), np.asarray(series.to_pylibcudf()[0].data().array))
    raw, ends = bytes(np.asarray(data)), ends.tolist()
    assert [raw[a:b].decode() for a, b in pairwise(ends)] == texts[before:]


def test_back_and_forth(columns):
    texts = ["", "a", "bç", None, "", "d" * 50]
    series = columns.series(*columns.texts(imitation_cudf.Series.of_texts(texts)))
    assert series.to_pylist() == [text or "" for text in texts]
    assert columns.first_equal(series).tolist() == [0, 1, 2, 0, 0, 5]
    none = imitation_cudf.Series.of_texts([])
    assert [len(values) for values in columns.texts(none)] == [0, 1]
    with pytest.raises(RequestError, match="expected strings"):
        columns.texts(imitation_cudf.Series(np.arange(3)))


@needs_compiler
@pytest.mark.parametrize("shingle", ["word:5", "byte:24"])
@pytest.mark.parametrize("threshold", ["0.8", "0.5"])
def test_the_same_rows_stay_as_of_a_table(columns, shingle, threshold):
    texts = corpus(random.Random(f"{shingle} {threshold}"), 600)
    frame = imitation_cudf.DataFrame({
        "text": imitation_cudf.Series.of_texts(texts), "id": np.arange(len(texts))})  # fmt: skip
    found = deduplicate(frame, threshold=threshold, shingle=shingle, columns=columns)
    first = {"first": np.arange(len(texts))[::-1]}
    table = pa.table({"id": np.arange(len(texts)), "text": pa.array(texts, pa.string()), **first})
    whole = toolkit.dedup(table, threshold=float(threshold), shingle=shingle, keep="first,id", workers=1)
    kept = whole.survivors["id"].to_pylist()
    assert found.survivors.to_pydict()["id"] == kept
    told = found.evidence.to_pydict()
    assert len(told["row"]) == len(texts) - len(kept) == len(whole.evidence)
    assert set(told["survivor"]) <= set(kept)
    assert sum(told["copy"]) > 50 and sum(not copy for copy in told["copy"]) > 20
    _check_similarities(told, texts, shingle, float(threshold))


def _check_similarities(told, texts, shingle, threshold):
    from toolkit.dedup import normalise

    plain = normalise(pa.array(texts, pa.string())).to_pylist()
    rows = zip(
        *(told[name] for name in ("row", "survivor", "intersection", "union", "similarity")), strict=True
    )
    for row, survivor, intersection, union, similarity in rows:
        if union == 0:
            assert plain[row] == plain[survivor] and similarity == 1
            continue
        a, b = (_shingles(plain[i], shingle) for i in (row, survivor))
        assert (intersection, union) == (len(a & b), len(a | b))
        assert similarity == intersection / union >= threshold


def _shingles(text, shingle):
    unit, n = shingle.split(":")
    items = re.findall("[日本語]|[^ 日本語]+", text) if unit == "word" else text.encode()
    return {tuple(items[i : i + int(n)]) for i in range(max(1, len(items) - int(n) + 1))} if text else set()


@needs_compiler
def test_nothing_is_lost_of_hostile_texts(columns):
    texts = [text.decode("utf-8", "replace") for text in TEXTS]
    frame = imitation_cudf.DataFrame({"text": imitation_cudf.Series.of_texts(texts)})
    found = deduplicate(frame, columns=columns)
    assert len(found.survivors) + len(found.evidence) == len(texts)
    for texts in ([], [""], ["a"], ["a", "a"], [None, None]):
        frame = imitation_cudf.DataFrame({"text": imitation_cudf.Series.of_texts(texts)})
        found = deduplicate(frame, columns=columns)
        assert len(found.survivors) == len(texts) - (texts == ["a", "a"])
    with pytest.raises(RequestError, match="no column 'words'"):
        deduplicate(frame, "words", columns=columns)


@needs_compiler
def test_files_are_read_on_the_card(columns, tmp_path):
    rows = [{"text": text, "n": n} for n, text in enumerate(["a b", "c", "a  B"])]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    for name in ("in.jsonl", "in.parquet"):
        frame = columns.read(tmp_path / name, ["text", "n"])
        assert deduplicate(frame, columns=columns).survivors.to_pydict()["n"] == [0, 1]
        assert columns.read(tmp_path / name, ["text"]).columns == ["text"]


def test_without_cudf_it_says_how_to_get_it(monkeypatch):
    with imitation.installed(monkeypatch):
        monkeypatch.setitem(sys.modules, "cudf", None)
        with pytest.raises(RequestError, match=r"cuDF cannot be imported .*pip install"):
            Columns(Cuda())


def test_cudf_has_the_names_that_are_used():
    """Where cuDF lies on the disk, its source is read: to import it takes a driver."""
    found = importlib.util.find_spec("cudf"), importlib.util.find_spec("pylibcudf")
    if None in found:
        pytest.skip("cuDF is not installed")
    cudf, plc = (Path(one.submodule_search_locations[0]) for one in found)
    series = (cudf / "core/series.py").read_text()
    assert "def to_pylibcudf(self) -> tuple[plc.Column, dict]" in series
    assert re.search(r"def from_pylibcudf\(\s*cls, col: plc.Column", series)
    column = (plc / "column.pyi").read_text()
    signature = (
        r"data_type: DataType,\s+size: int,\s+data: Span \| None,\s+mask: Span \| None,\s+null_count: int,"
    )
    assert re.search(signature + r"\s+offset: int,\s+children: Iterable\[Column\]", column)
    for name in ("data(self) -> Span | None", "child(self, index: int)", "offset(self) -> int", "size(self)"):
        assert f"def {name}" in column
    assert "def from_cuda_array_interface" in column
    assert "def take(self, indices, axis=0)" in (cudf / "core/indexed_frame.py").read_text()
    assert "def transform(" in (cudf / "core/groupby/groupby.py").read_text()
