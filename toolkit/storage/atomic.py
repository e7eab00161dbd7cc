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
    """Remove what killed writers left under ``folder``; return how many files went."""
    leftovers = [path for path in folder.rglob(f"{PREFIX}*") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def begin_scratch(folder: Path) -> None:
    """Throw away the scratch that another boot left in ``folder``, and mark it; asked under its lock.

    Files directly in ``.work`` are no scratch, and stay.
    """
    work, here = folder / SCRATCH, boot()
    before = line_of(work / MARK)
    if before not in (None, here):
        for path in filter(Path.is_dir, list(work.iterdir())):
            shutil.rmtree(path)
        _sync(work)
    if here is not None:
        write_atomic(work / MARK, here.encode())
    elif before is not None:
        (work / MARK).unlink()


def _discard(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
