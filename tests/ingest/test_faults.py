"""The disk refuses at the n-th write, close, fsync, rename ...: one clear error, and a rerun makes it good.

Each kind of call is refused at ``TOOLKIT_FAULTS`` of its places (``all``: at every one), spread
evenly over a run, with each of the errors that such a call can give in turn.
"""

import errno
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import toolkit
from ingest import worlds
from toolkit.errors import ToolkitError
from toolkit.storage import tables

FAULTS = os.environ.get("TOOLKIT_FAULTS", "3")
FULL = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
ERRORS = {  # an interrupted write, open or fsync is called again by Python itself
    "open": (*FULL, errno.EACCES),
    "write": FULL,
    "close": (*FULL, errno.EINTR),
    "table": FULL,
    "fsync": FULL,
    "replace": (*FULL, errno.EINTR),
    "mkdir": (*FULL, errno.EINTR),
    "remove": (errno.EIO, errno.EACCES, errno.EROFS),
}


class Disk:
    """Counts the calls that change a lake, and refuses one of them."""

    def __init__(self, monkeypatch, lake):
        self.lake, self.calls, self.refused = lake, Counter(), None
        real = {name: getattr(Path, name) for name in ("open", "replace", "mkdir", "unlink", "rmdir")}
        kinds = {"replace": "replace", "mkdir": "mkdir", "unlink": "remove", "rmdir": "remove"}
        for name, kind in kinds.items():
            monkeypatch.setattr(Path, name, self._checked(kind, real[name]))
        monkeypatch.setattr(os, "open", self._checked("open", os.open))
        monkeypatch.setattr(os, "fsync", self._checked("fsync", os.fsync))
        monkeypatch.setattr(tables.pq, "write_table", self._half_written(tables.pq.write_table))
        monkeypatch.setattr(Path, "open", self._opened(real["open"]))

    def refuse(self, kind=None, number=0, error=0):
        """From here on count anew, and refuse the ``number``-th call of ``kind``."""
        self.calls, self.refused = Counter(), (kind, number, error)

    def check(self, kind, path):
        """Count a call; OSError if it is the one."""
        if isinstance(path, int) or Path(path).absolute().is_relative_to(self.lake):
            self.calls[kind] += 1
            if self.refused and self.refused[:2] == (kind, self.calls[kind]):
                raise OSError(self.refused[2], os.strerror(self.refused[2]), str(path))

    def _checked(self, kind, call):
        def checked(path, *arguments, **options):
            self.check(kind, path)
            return call(path, *arguments, **options)

        return checked

    def _half_written(self, call):
        def half_written(table, path, **options):
            call(table, path, **options)
            try:
                self.check("table", path)
            except OSError:
                os.truncate(path, path.stat().st_size // 2)
                raise

        return half_written

    def _opened(self, call):
        def opened(path, mode="r", *arguments, **options):
            if "w" not in mode:
                return call(path, mode, *arguments, **options)
            self.check("open", path)
            return Torn(call(path, mode, *arguments, **options), path, self)

        return opened


class Torn:
    """An open file of which only half is on the disk when a write or the close is refused."""

    def __init__(self, file, path, disk):
        self.file, self.path, self.disk = file, path, disk

    def write(self, data):
        """All of it, or half and an error."""
        try:
            self.disk.check("write", self.path)
        except OSError:
            self.file.write(data[: len(data) // 2])
            raise
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        try:
            self.disk.check("close", self.path)
        except OSError:
            os.truncate(self.path, self.path.stat().st_size // 2)
            raise


def land_stream():
    with Path("streams", worlds.STREAMS[0]).open("rb") as stream:
        worlds.land_stream(stream)


@pytest.fixture(scope="module", params=["a fresh lake", "a second delivery", "a stream"])
def scenario(request, tmp_path_factory):
    """A world, what lands in its lake, and what the lake must hold after it."""
    land = land_stream if request.param == "a stream" else worlds.land
    world = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world)
        worlds.first(world)
        (world / "before").mkdir()
        if request.param == "a second delivery":
            worlds.land()
            shutil.copytree("lake", "before", dirs_exist_ok=True)
            worlds.second(world)
        land()
        yield world, land, worlds.held(world / "lake")


def reset():
    shutil.rmtree("lake", ignore_errors=True)
    if any(Path("before").iterdir()):
        shutil.copytree("before", "lake")


def places(count):
    """The calls to refuse, of ``count``: the first, the last and some between."""
    wanted = count if FAULTS == "all" else min(count, int(FAULTS))
    return sorted({1 + round(k * (count - 1) / max(1, wanted - 1)) for k in range(wanted)})


@pytest.mark.parametrize("kind", ERRORS)
def test_refused_anywhere_and_run_again(scenario, monkeypatch, kind):
    world, land, expected = scenario
    disk = Disk(monkeypatch, world / "lake")
    reset()
    disk.refuse()
    land()
    calls = disk.calls[kind]
    assert calls or kind == "table"
    for turn, number in enumerate(places(calls)):
        reset()
        disk.refuse(kind, number, ERRORS[kind][turn % len(ERRORS[kind])])
        with pytest.raises(ToolkitError, match=rf"{world}/lake.*run the same command again"):
            land()
        if Path("lake/MANIFEST.json").exists():
            assert toolkit.audit("lake").ok, (number, calls)
        disk.refuse()
        land()
        assert worlds.held(world / "lake") == expected, (number, calls)


@pytest.mark.parametrize("size", ["40k", "120k", "200k", "280k"])
def test_a_disk_that_is_full_and_then_is_not(tmp_path, monkeypatch, size):
    monkeypatch.chdir(tmp_path)
    worlds.first(tmp_path)
    Path("lake").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", "lake"]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        with pytest.raises(ToolkitError, match="the disk is full: free some space, then run the same"):
            worlds.land()
        subprocess.run(["mount", "-o", "remount,size=60m", "lake"], check=True)
        worlds.land()
        resumed = worlds.held(tmp_path / "lake")
        assert toolkit.audit("lake").ok
    finally:
        subprocess.run(["umount", "lake"], check=True)
    worlds.land()
    assert resumed == worlds.held(tmp_path / "lake")
