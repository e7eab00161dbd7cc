"""Memory that is freed is kept for the next job, whose arrays are as large as the last one's.

Left alone, glibc gives arrays of 128 kB and more back at once and asks for them anew, and the system clears
every page before it hands it out again: a fifth of the time to refine a part (benchmarks/LOG.md).
"""

from __future__ import annotations

import ctypes
import os
import sys

KEPT = 256 << 20  # bytes that may lie free at the end of the heap
LARGE = 32 << 20  # bytes from which on an array has pages of its own; older glibc takes no more
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_POOL = "ARROW_DEFAULT_MEMORY_POOL"


def keep_pages() -> None:
    """Keep what is freed, in this process and those forked from it; Arrow's buffers share that memory.

    For processes that are the toolkit's own. Where there is no glibc, nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    if not mallopt(_MMAP_THRESHOLD, LARGE):  # the other alone would leave it at 128 kB for good
        return
    mallopt(_TRIM_THRESHOLD, KEPT)
    if _POOL in os.environ:  # somebody chose
        return
    os.environ[_POOL] = "system"
    if "pyarrow" in sys.modules:
        import pyarrow as pa

        pa.set_memory_pool(pa.system_memory_pool())
