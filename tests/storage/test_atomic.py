import errno
import os
from pathlib import Path

import pytest

from toolkit.errors import ToolkitError
from toolkit.storage import clean_leftovers, write_atomic, writing


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(params=["write", "fsync", "rename", "mkdir"])
def disk_full_at(request, monkeypatch):
    where = {"write": (Path, "open"), "fsync": (os, "fsync"), "rename": (Path, "replace")}
    monkeypatch.setattr(*where.get(request.param, (Path, "mkdir")), full_disk)
    return request.param


def interrupted_write(path, error):
    with writing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_that_was_written_holds_all_of_its_bytes(tmp_path):
    data = os.urandom(100_001)
    write_atomic(tmp_path / "new" / "folder" / "a", data)
    assert (tmp_path / "new" / "folder" / "a").read_bytes() == data


def test_the_final_name_is_not_there_while_a_file_is_being_written(tmp_path):
    with writing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        seen = (tmp_path / "a").exists()
    assert not seen


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_exception_inside_writing_leaves_no_file(tmp_path, error):
    with pytest.raises(type(error)):
        interrupted_write(tmp_path / "a", error)
    assert names(tmp_path) == []


def test_an_exception_inside_writing_leaves_the_old_file_as_it_was(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ValueError, match="x"):
        interrupted_write(tmp_path / "a", ValueError("x"))
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_full_disk_leaves_no_file(tmp_path, disk_full_at):
    with pytest.raises(ToolkitError):
        write_atomic(tmp_path / "a", b"data")
    assert names(tmp_path) == []


def test_a_full_disk_is_an_error_with_advice(tmp_path, disk_full_at):
    with pytest.raises(ToolkitError, match=r"cannot write .*a: the disk is full: free some space"):
        write_atomic(tmp_path / "a", b"data")


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    write_atomic(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ToolkitError):
        write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize(
    "name",
    ["file/below", "folder", "x" * 255],
    ids=["a parent that is a file", "a name that is a folder", "a name too long for its temporary"],
)
def test_a_name_that_cannot_be_a_file_is_an_error_with_the_path(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ToolkitError, match="cannot write"):
        write_atomic(tmp_path / name, b"data")


def test_leftovers_of_killed_writers_are_swept_at_any_depth(tmp_path):
    for name in (".tmp-1-a", "x/.tmp-2-b", "x/y/.tmp-3-c"):
        write_atomic(tmp_path / name, b"")
    assert clean_leftovers(tmp_path) == 3


def test_sweeping_touches_nothing_but_leftovers(tmp_path):
    for name in ("kept", "x/.tmp-2-b", "x/a.tmp-1", "x/.hidden"):
        write_atomic(tmp_path / name, b"")
    clean_leftovers(tmp_path)
    assert names(tmp_path) == [".hidden", "a.tmp-1", "kept", "x"]
