"""A file that grew is known by its bytes: by whatever path it comes, only what was added lands."""

import gzip
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from lakes import write_lines

import toolkit
from toolkit.errors import RequestError
from toolkit.ingest import payload_of
from toolkit.pipeline.spec.tables import Ingest
from toolkit.storage import read_json, read_shard, shards

SMALL = Ingest(shard_bytes=1024, max_line_bytes=4096)


@pytest.fixture(autouse=True)
def delivered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lines(Path("raw.jsonl"), rows(0, 100))
    land("raw.jsonl")


def rows(start, stop):
    return [{"n": n} for n in range(start, stop)]


def land(*paths, **options):
    return toolkit.ingest(list(paths), "lake", workers=1, **{"settings": SMALL, **options})


def landed(lake="lake"):
    split = [payload_of(line) for path in shards(Path(lake) / "bronze") for line in read_shard(path)]
    return [(json.loads(head)["origin"], json.loads(payload)["n"]) for head, payload in split]


def numbers(lake="lake"):
    return [n for _, n in landed(lake)]


def files():
    return read_json(Path("lake/deliveries.json"))["files"]["files"]


def dotted(path):
    Path("a").mkdir()
    return f"./a/../{path}"


def linked(path):
    Path("link.jsonl").symlink_to(path)
    return "link.jsonl"


def renamed(path):
    return os.fspath(shutil.move(path, "renamed.jsonl"))


def packed(path):
    Path("raw.jsonl.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
    return "raw.jsonl.gz"


@pytest.mark.parametrize("other", [dotted, os.path.abspath, linked, renamed, packed])
def test_a_file_that_grew_lands_what_was_added_by_whatever_path_it_comes(other):
    write_lines(Path("raw.jsonl"), rows(0, 130))
    path = other("raw.jsonl")
    land(path)
    assert numbers() == list(range(130))
    assert [(file["delivery"], file["start"]) for file in files()] == [(0, 0), (1, files()[0]["size"])]
    assert landed()[-1][0]["line"] == 130
    assert toolkit.audit("lake").ok


def test_a_file_that_grew_is_known_from_another_folder(monkeypatch):
    write_lines(Path("raw.jsonl"), rows(0, 130))
    Path("deep").mkdir()
    monkeypatch.chdir("deep")
    toolkit.ingest("../raw.jsonl", "../lake", settings=SMALL, workers=1)
    assert numbers("../lake") == list(range(130))


def test_a_file_that_grows_under_one_name_after_another_is_whole():
    for stop, name in ((110, "b.jsonl"), (120, "c.jsonl"), (125, "raw.jsonl"), (140, "d.jsonl")):
        write_lines(Path(name), rows(0, stop))
        land(name)
    assert numbers() == list(range(140))
    assert toolkit.audit("lake").ok


def test_a_log_that_was_turned_over_is_known_by_its_new_name():
    write_lines(Path("raw.jsonl.1"), rows(0, 105))
    write_lines(Path("raw.jsonl"), rows(500, 600))
    land("raw.jsonl", "raw.jsonl.1")
    assert sorted(numbers()) == [*range(105), *range(500, 600)]


def test_of_a_copy_that_grew_apart_nothing_is_taken_for_known():
    write_lines(Path("other.jsonl"), [*rows(0, 99), {"n": -1}, *rows(100, 130)])
    land("raw.jsonl", "other.jsonl")
    assert len(numbers()) == 100 + 130
    assert toolkit.audit("lake").ok


def test_files_that_begin_alike_grow_from_the_longest():
    for stop in (110, 105):
        write_lines(Path(f"{stop}.jsonl"), [*rows(0, 100), *rows(1000, 1000 + stop)])
        land(f"{stop}.jsonl")
    write_lines(Path("new.jsonl"), [*rows(0, 100), *rows(1000, 1112)])
    land("new.jsonl")
    assert numbers()[-2:] == [1110, 1111]


def test_of_many_that_begin_alike_the_longest_that_fits_is_found():
    for stop in range(101, 110):
        write_lines(Path(f"{stop}.jsonl"), [*rows(0, stop), {"n": -stop}])
        land(f"{stop}.jsonl")
    before = len(numbers())
    write_lines(Path("new.jsonl"), [*rows(0, 103), {"n": -103}, *rows(200, 230)])
    land("new.jsonl")
    assert numbers()[before:] == list(range(200, 230))
    assert toolkit.audit("lake").ok


def test_a_file_whose_first_line_is_too_long_is_known_by_its_name():
    long = b'{"long": "' + b"x" * 9000 + b'"}\n'
    Path("long.jsonl").write_bytes(long + b'{"n":1000}\n')
    land("long.jsonl")
    Path("long.jsonl").write_bytes(long + b'{"n":1000}\n{"n":1001}\n')
    land("long.jsonl")
    assert numbers()[-2:] == [1000, 1001]


def test_what_grew_from_a_stream_lands_what_was_added():
    data = b"".join(b'{"n":%d}\n' % n for n in range(1000, 1200))
    land("-", stdin=io.BytesIO(data))
    Path("saved.jsonl").write_bytes(data + b'{"n":1200}\n')
    land("saved.jsonl")
    assert numbers()[-201:] == list(range(1000, 1201))
    assert toolkit.audit("lake").ok


def test_a_copy_of_what_grew_under_another_name_is_counted_whole():
    write_lines(Path("b.jsonl"), rows(0, 130))
    land("b.jsonl")
    write_lines(Path("c.jsonl"), rows(0, 130))
    land("c.jsonl")
    books = read_json(Path("lake/MANIFEST.json"))["ledgers"][0]
    assert books["removed"]["delivered_again"]["records"] == 130
    assert toolkit.audit("lake").ok


def test_cut_anew_what_grew_under_another_name_is_all_there_is_to_read():
    write_lines(Path("raw.jsonl"), rows(0, 130))
    land(renamed("raw.jsonl"))
    land("renamed.jsonl", settings=Ingest(shard_bytes=2048, max_line_bytes=4096))
    assert numbers() == list(range(130))
    assert toolkit.audit("lake").ok


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
@pytest.mark.parametrize("way", ["a stream", "a file"])
def test_a_lost_part_is_made_anew_from_the_same_bytes_under_another_name(pack, way):
    data = pack(b"".join(b'{"n":%d}\n' % n for n in range(1000, 1400)))
    Path("first").write_bytes(data)
    land("-", stdin=io.BytesIO(data)) if way == "a stream" else land("first")
    before = {path: path.read_bytes() for path in shards(Path("lake/bronze"))}
    lost = [*before][-2]
    lost.unlink()
    Path("first").rename("saved")
    land("saved")
    assert {path: path.read_bytes() for path in shards(Path("lake/bronze"))} == before
    assert toolkit.audit("lake").ok


def test_a_lost_part_of_a_stream_is_not_made_anew_from_other_bytes():
    data = b"".join(b'{"n":%d}\n' % n for n in range(1000, 1400))
    land("-", stdin=io.BytesIO(data))
    shards(Path("lake/bronze"))[-2].unlink()
    Path("saved").write_bytes(data[:-1])
    with pytest.raises(RequestError, match="stdin is no longer there as it was delivered"):
        land("saved")


def test_nothing_is_read_twice_of_what_grew_under_another_name():
    write_lines(Path("raw.jsonl"), rows(0, 130))
    land(renamed("raw.jsonl"))
    assert not land("renamed.jsonl").worked
