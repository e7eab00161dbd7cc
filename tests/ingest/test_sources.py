import gzip
import os
import shlex

import pytest

from toolkit.errors import RequestError
from toolkit.ingest import Limits, Options, expand, form_of, take_census
from toolkit.ingest.codecs import codec_of, decompressed


@pytest.fixture
def base(tmp_path):
    for name in ("a.jsonl", "d/b.jsonl", "d/B.JSONL", "d/c.ndjson.gz", "d/deep/er/e.jsonl.zst", "d/notes.txt",
                 "d/t.csv.gz",
                 "d/.hidden.jsonl", "d/.git/f.jsonl", "d/data.json", "d-e/g.jsonl", "none/x"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(base, pattern):
    return [name for name, _ in expand(base, pattern, "s")]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.jsonl", ["a.jsonl"]),
        ("./a.jsonl", ["a.jsonl"]),
        ("d/notes.txt", ["d/notes.txt"]),
        ("d/.hidden.jsonl", ["d/.hidden.jsonl"]),
        (
            "d",
            ["d/B.JSONL", "d/b.jsonl", "d/c.ndjson.gz", "d/data.json", "d/deep/er/e.jsonl.zst", "d/t.csv.gz"],
        ),
        (
            "d/",
            ["d/B.JSONL", "d/b.jsonl", "d/c.ndjson.gz", "d/data.json", "d/deep/er/e.jsonl.zst", "d/t.csv.gz"],
        ),
        ("d/deep", ["d/deep/er/e.jsonl.zst"]),
        ("d/.git", ["d/.git/f.jsonl"]),
        ("d/*.jsonl", ["d/b.jsonl"]),
        ("*/*.jsonl", ["d-e/g.jsonl", "d/b.jsonl"]),
        ("**/*.jsonl", ["a.jsonl", "d-e/g.jsonl", "d/b.jsonl"]),
        ("d/[bc]*", ["d/b.jsonl", "d/c.ndjson.gz"]),
        ("**/**/g.jsonl", ["d-e/g.jsonl"]),
    ],
)
def test_a_source_is_a_file_a_folder_or_a_glob(base, pattern, expected):
    assert names(base, pattern) == expected


def test_a_hidden_file_is_left_out_of_a_folder_and_of_a_glob(base):
    assert not [name for name in names(base, "d") + names(base, "d/*") if "/." in name]


def test_a_file_named_like_a_glob_is_that_file(base):
    (base / "[ab].jsonl").touch()
    assert names(base, "[ab].jsonl") == ["[ab].jsonl"]


@pytest.mark.parametrize("pattern", ["d", "d/b.jsonl", "d/*", "**/*.jsonl"])
def test_names_do_not_depend_on_where_the_folder_is(base, tmp_path_factory, pattern):
    before = names(base, pattern)
    moved = base.rename(tmp_path_factory.mktemp("elsewhere") / "moved")
    assert names(moved, pattern) == before


@pytest.mark.parametrize("pattern", ["../d", "../d/*.jsonl", "../d/b.jsonl"])
def test_a_source_may_lie_beside_the_spec(base, pattern):
    assert "../d/b.jsonl" in names(base / "empty", pattern)


@pytest.mark.parametrize("pattern", ["d", "d/*.jsonl", "d/b.jsonl"])
def test_an_absolute_path_is_found_from_anywhere(base, tmp_path_factory, pattern):
    assert str(base / "d/b.jsonl") in names(tmp_path_factory.mktemp("x"), str(base / pattern))


def test_each_name_leads_to_its_file(base):
    assert all((base / name).samefile(path) for name, path in expand(base, "d", "s"))


@pytest.mark.parametrize("pattern", ["missing.jsonl", "missing/*.jsonl", "none", "a.jsonl/x"])
def test_a_source_without_a_file_is_refused_by_name(base, pattern):
    with pytest.raises(FileNotFoundError, match="source 's': no file at"):
        expand(base, pattern, "s")


@pytest.mark.parametrize("name", ["p.jsonl", "a pipe"])
def test_a_named_pipe_is_to_be_given_as_standard_input(base, name):
    os.mkfifo(base / name)
    with pytest.raises(RequestError) as refusal:
        expand(base, name, "s")
    assert "is a named pipe" in str(refusal.value)
    assert str(refusal.value).endswith(f"toolkit ingest - < {shlex.quote(str(base / name))}")


def test_an_empty_folder_is_refused(base):
    with pytest.raises(FileNotFoundError, match=r"source 's': the folder .*empty is empty"):
        expand(base, "empty", "s")


def test_a_name_that_is_not_utf8_is_refused(base):
    (base / os.fsdecode(b"d/\xff.jsonl")).touch()
    with pytest.raises(RequestError, match=r"'d/\\udcff\.jsonl' is not UTF-8"):
        expand(base, "d", "s")


def refuse(*_args, **_kwargs):
    raise PermissionError(13, "Permission denied", "x")


@pytest.mark.parametrize(
    "read", [codec_of, lambda path: list(decompressed(path, None))], ids=["codec", "blocks"]
)
def test_an_open_that_is_refused_is_an_error_with_the_path(base, monkeypatch, read):
    monkeypatch.setattr(type(base), "open", refuse)
    with pytest.raises(RequestError, match=r"may not read .*a\.jsonl"):
        read(base / "a.jsonl")


def test_a_folder_below_that_may_not_be_read_is_refused_and_not_left_out(base, monkeypatch):
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: refuse() if str(path).endswith("deep") else scan(path))
    with pytest.raises(RequestError, match="may not read"):
        expand(base, "d", "s")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["d/deep", "d/b.jsonl"])
def test_what_this_user_may_not_read_is_refused(base, name):
    (base / name).chmod(0)
    with pytest.raises(RequestError, match="may not read"):
        [take_census(path, "jsonl", Limits(100, 100), Options(n)) for n, path in expand(base, "d", "s")]
    (base / name).chmod(0o700)


def test_the_name_does_not_decide_the_codec(base):
    (base / "plain.jsonl.gz").write_bytes(b'{"a":1}\n')
    (base / "packed.jsonl").write_bytes(gzip.compress(b'{"a":1}\n'))
    assert [codec_of(base / name) for name in ("plain.jsonl.gz", "packed.jsonl")] == [None, "gz"]


@pytest.mark.parametrize(
    ("form", "expected"), [("text", ["d/notes.txt"]), ("csv", ["d/t.csv.gz"]), ("json", ["d/data.json"])]
)
def test_a_folder_gives_the_files_of_the_format_that_is_named(base, form, expected):
    assert [name for name, _ in expand(base, "d", "s", form)] == expected


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.jsonl", "jsonl"), ("a.CSV.GZ", "csv"), ("a.json.zst", "json"), ("a.parquet", "parquet"),
     ("a", "jsonl"),
     ("a.gz", "jsonl"), ("a.html", "html"), ("a.py", "code"), ("a.tsv.xz", "tsv"), ("a.md", "text")],
)  # fmt: skip
def test_the_suffix_says_how_a_file_is_read(name, form):
    assert form_of(name) == form


def test_what_the_spec_says_of_the_format_comes_before_the_suffix():
    assert form_of("a.csv", "text") == "text"
