"""One writer a lake: the second says so and leaves.

The lock is the kernel's, on the folder itself, so a kill releases it and no lock file
can be left behind.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.storage.atomic import storage_error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for writing; raise ToolkitError when another process holds it.

    Raises ToolkitError too for any OSError about a file in ``folder`` while it is held.
    """
    with _refusals(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolkitError(
                f"{folder} is being written by another run. Wait for it to end, then try again."
            ) from None
        with _refusals(folder):
            yield
    finally:
        os.close(handle)


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str | Path) and Path(error.filename).is_relative_to(folder):
            raise storage_error(error, Path(error.filename)) from error
        raise
