"""A file appears under its final name only when it is whole.

Write beside, fsync, rename, fsync the folder: after a kill at any instant the final
name holds either nothing, the old file or the new one, never a part of it. What a kill
leaves behind carries the prefix ``.tmp-`` and is swept away by the next run, which
holds the lake's lock and so cannot sweep a living writer's file.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.storage.scratch import MARK, SCRATCH, boot, is_scratch, line_of

PREFIX = ".tmp-"

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EACCES: "this user may not write there: change the rights or the path",
    errno.EPERM: "this user may not write there: change the rights or the path",
    errno.EROFS: "the file system is read-only: choose another path",
    errno.EIO: "the disk reported an error: check it",
}


def storage_error(error: OSError, path: Path) -> ToolkitError:
    """Turn an operating-system error into one line a person can act on."""
    advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return ToolkitError(
        f"cannot write {path}: {advice}, then run the same command again; finished files are kept."
    )


@contextmanager
def writing(path: Path, last: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it becomes ``path``.

    A file that is not the ``last`` of several in one folder leaves it to the last, the manifest, to
    sync the folder; scratch is not synced (see ``scratch``). Raises ToolkitError when the disk refuses;
    the temporary file is removed then.
    """
    temporary = path.with_name(f"{PREFIX}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        kept = not is_scratch(path)
        if kept:
            _sync(temporary)
        temporary.replace(path)
        if last and kept:
            _sync(path.parent)
    except OSError as error:
        _discard(temporary)
        raise storage_error(error, path) from error
    except BaseException:
        _discard(temporary)
        raise


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write all of ``data`` to ``path``, whole or not at all."""
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(data)


def clean_leftovers(folder: Path) -> int:
    """Remove what killed writers left under ``folder``, and machines that went down; return how many files.

    Of a machine's scratch all goes, and is not counted; what has no whole name is.
    """
    _drop_lost(folder / SCRATCH)
    leftovers = [path for path in folder.rglob(f"{PREFIX}*") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def mark_scratch(folder: Path) -> None:
    """From here on nobody waits for the disk for what lies in folders under ``.work``; see ``scratch``.

    Asked under the folder's lock, after ``clean_leftovers``.
    """
    mark, here = folder / SCRATCH / MARK, boot()
    if here is not None and line_of(mark) != here:
        write_atomic(mark, here.encode())


def drop_scratch(folder: Path) -> None:
    """Remove ``.work``: folders first and their mark after them, so that none is ever there without it."""
    work = folder / SCRATCH
    if _dropped(work):
        shutil.rmtree(work, ignore_errors=True)


def _drop_lost(work: Path) -> None:
    """Remove what another boot may have lost; files directly in ``.work`` are no scratch, and stay."""
    before = line_of(work / MARK)
    if before not in (None, boot()) and _dropped(work):
        (work / MARK).unlink()


def _dropped(work: Path) -> bool:
    """Remove the folders in ``.work``, for good; whether none is left."""
    if not work.is_dir():
        return False
    for path in list(work.iterdir()):
        if path.is_symlink():
            _discard(path)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    _sync(work)
    return not any(path.is_dir() for path in work.iterdir())


def _discard(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
