"""Scratch is not synced, and is thrown away by a run in another boot; everything else is as it was."""

import os

import pytest

from toolkit.storage import (
    SCRATCH,
    atomic,
    clean_leftovers,
    drop_scratch,
    mark_scratch,
    scratch,
    write_atomic,
)
from toolkit.storage.scratch import MARK, is_scratch


def begin_scratch(folder):
    """As every verb does when it begins."""
    clean_leftovers(folder)
    mark_scratch(folder)


@pytest.fixture
def synced(monkeypatch):
    """Counts what is synced; the count is in a list of one."""
    counted, fsync = [0], os.fsync

    def counting(handle):
        counted[0] += 1
        fsync(handle)

    monkeypatch.setattr(os, "fsync", counting)
    return counted


def in_boot(monkeypatch, name):
    for module in (scratch, atomic):
        monkeypatch.setattr(module, "boot", lambda: name)


def written(path, synced):
    """How many syncs it takes to write a file there."""
    before = synced[0]
    write_atomic(path, b"x")
    return synced[0] - before


def test_only_what_lies_in_a_folder_of_a_marked_scratch_is_not_synced(tmp_path, monkeypatch, synced):
    in_boot(monkeypatch, "this")
    deep = tmp_path / SCRATCH / "tokens" / "a"
    assert written(deep / "1", synced) == 2
    begin_scratch(tmp_path)
    assert written(deep / "2", synced) == 0
    assert (deep / "2").read_bytes() == b"x"
    assert written(tmp_path / SCRATCH / "aside.json", synced) == 2
    assert written(tmp_path / "silver" / "part", synced) == 2
    assert (deep / "1").exists()
    in_boot(monkeypatch, "of another machine")
    assert written(deep / "3", synced) == 2


def test_another_boot_throws_away_what_was_not_synced_and_nothing_else(tmp_path, monkeypatch):
    in_boot(monkeypatch, "one")
    begin_scratch(tmp_path)
    write_atomic(tmp_path / SCRATCH / "gold" / "a", b"x")
    write_atomic(tmp_path / SCRATCH / "aside.json", b"kept")
    begin_scratch(tmp_path)
    assert (tmp_path / SCRATCH / "gold" / "a").exists()
    in_boot(monkeypatch, "two")
    assert not is_scratch(tmp_path / SCRATCH / "gold" / "a")
    begin_scratch(tmp_path)
    assert sorted(path.name for path in (tmp_path / SCRATCH).iterdir()) == ["aside.json", MARK]
    assert (tmp_path / SCRATCH / MARK).read_text() == "two"
    assert is_scratch(tmp_path / SCRATCH / "gold" / "a")


def test_where_no_boot_is_told_everything_is_synced(tmp_path, monkeypatch, synced):
    in_boot(monkeypatch, "one")
    begin_scratch(tmp_path)
    write_atomic(tmp_path / SCRATCH / "gold" / "a", b"x")
    in_boot(monkeypatch, None)
    begin_scratch(tmp_path)
    assert list((tmp_path / SCRATCH).iterdir()) == []
    assert written(tmp_path / SCRATCH / "gold" / "a", synced) == 2
    begin_scratch(tmp_path)
    assert (tmp_path / SCRATCH / "gold" / "a").exists()


def test_what_was_synced_before_there_was_a_mark_stays(tmp_path, monkeypatch):
    write_atomic(tmp_path / SCRATCH / "gold" / "a", b"x")
    in_boot(monkeypatch, "one")
    begin_scratch(tmp_path)
    assert (tmp_path / SCRATCH / "gold" / "a").exists()


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"one\ntwo"])
def test_a_damaged_mark_is_another_boots(tmp_path, monkeypatch, damage):
    in_boot(monkeypatch, "one")
    begin_scratch(tmp_path)
    write_atomic(tmp_path / SCRATCH / "gold" / "a", b"x")
    (tmp_path / SCRATCH / MARK).write_bytes(damage)
    assert not is_scratch(tmp_path / SCRATCH / "gold" / "a")
    begin_scratch(tmp_path)
    assert not (tmp_path / SCRATCH / "gold").exists()


def test_a_link_in_lost_scratch_goes_and_what_it_names_stays(tmp_path, monkeypatch):
    in_boot(monkeypatch, "one")
    begin_scratch(tmp_path / "lake")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "lake" / SCRATCH / "tokens").symlink_to(tmp_path / "elsewhere")
    in_boot(monkeypatch, "two")
    begin_scratch(tmp_path / "lake")
    assert (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "lake" / SCRATCH / "tokens").exists()


def test_scratch_is_never_there_without_its_mark(tmp_path, monkeypatch):
    in_boot(monkeypatch, "one")
    begin_scratch(tmp_path)
    for name in ("aaa", "tokens", "zzz"):
        write_atomic(tmp_path / SCRATCH / name / "a", b"x")
    unlink, seen = os.unlink, []

    def watched(path, *args, **options):
        seen.append(str(path))
        if str(path).endswith(MARK):
            assert [path.name for path in (tmp_path / SCRATCH).iterdir()] == [MARK]
        unlink(path, *args, **options)

    monkeypatch.setattr(os, "unlink", watched)
    drop_scratch(tmp_path)
    assert any(name.endswith(MARK) for name in seen)
    assert not (tmp_path / SCRATCH).exists()
    drop_scratch(tmp_path)


def test_a_folder_without_scratch_is_not_marked_by_a_look(tmp_path):
    clean_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
