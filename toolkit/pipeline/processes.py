"""Processes that work: how many, and a server that starts them with everything imported.

Importing takes seconds. The server may begin with it before the process that asks for it has
finished its own.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Sequence
from multiprocessing.context import BaseContext
from pathlib import Path

ENOUGH = 64 << 20  # bytes to land from which on a second process is worth its start
ENOUGH_TO_REFINE = 8 << 20  # bytes to make a lake of: ten times the work a byte
START = 2.0  # seconds that other processes take to start, mostly to import (benchmarks/LOG.md)
FORK = 0.2  # seconds that the server takes for one more when it is ready
STAGES = ("ingest", "refine", "similar", "silver", "tokens", "gold")
_stages = list(STAGES)  # what the server imports before it starts a process


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_context() -> BaseContext:
    """How processes are started: by a server without our threads, or each anew where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    named = [f"toolkit.pipeline.stages.{name}" for name in _stages]
    context.set_forkserver_preload([*named, "toolkit.kernels.warm"])
    return context


_begun: list[float] = []  # when the server was started


def ready_in() -> float:
    """Seconds until another process could begin to work."""
    return max(FORK, _begun[0] + START - time.monotonic()) if _begun else START


def start_early(
    paths: Iterable[str | Path],
    workers: int | None,
    cluster: str | None,
    enough: int | None = None,
    stages: Sequence[str] = STAGES,
) -> bool:
    """Start the server now if several processes are asked for and ``paths`` are large; say whether it was.

    It imports what jobs of these ``stages`` need.
    """
    several = cluster is None and (workers or usable_cores()) > 1
    if not several or sum(map(_size, paths)) < (ENOUGH if enough is None else enough):
        return False
    _stages[:] = stages
    if process_context().get_start_method() != "forkserver":
        return False
    from multiprocessing.forkserver import ensure_running

    ensure_running()
    _begun[:] = _begun or [time.monotonic()]
    return True


def _size(path: str | Path) -> int:
    """Bytes of a file, of the files in a folder, or of those that a glob names; 0 for what is nothing."""
    try:
        if Path(path).is_dir():
            return sum(one.stat().st_size for one in Path(path).iterdir() if one.is_file())
        whole = Path(path).absolute()
        found = [whole] if whole.is_file() else Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))
        return sum(Path(one).stat().st_size for one in found)
    except OSError:
        return 0
