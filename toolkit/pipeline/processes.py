"""Processes that work: how many, and a server that starts them with everything imported.

Importing takes seconds. The server may begin with it before the process that asks for it has
finished its own.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable
from multiprocessing.context import BaseContext
from pathlib import Path

ENOUGH = 64 << 20  # bytes of input from which on a second process is worth its start
_STAGES = ("ingest", "refine", "similar", "silver", "tokens", "gold")
_PRELOAD = [*(f"toolkit.pipeline.stages.{name}" for name in _STAGES), "toolkit.kernels.warm"]


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_context() -> BaseContext:
    """How processes are started: by a server without our threads, or each anew where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


def start_early(paths: Iterable[str | Path], workers: int | None, cluster: str | None) -> bool:
    """Start the server now if several processes are asked for and ``paths`` are large; say whether it was."""
    several = cluster is None and (workers or usable_cores()) > 1
    if not several or sum(map(_size, paths)) < ENOUGH:
        return False
    if process_context().get_start_method() != "forkserver":
        return False
    from multiprocessing.forkserver import ensure_running

    ensure_running()
    return True


def _size(path: str | Path) -> int:
    """Bytes of a file, or of the files in a folder; 0 for what is neither, such as a glob."""
    try:
        found = (
            [one for one in Path(path).iterdir() if one.is_file()] if Path(path).is_dir() else [Path(path)]
        )
        return sum(one.stat().st_size for one in found)
    except OSError:
        return 0
