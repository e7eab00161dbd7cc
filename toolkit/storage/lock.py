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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for writing; raise ToolkitError when another process holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolkitError(
                f"{folder} is being written by another run. Wait for it to end, then try again."
            ) from None
        yield
    finally:
        os.close(handle)
