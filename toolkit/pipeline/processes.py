"""Processes that work: how many, and how they start with everything imported, which takes seconds.

The toolkit's own command forks them from itself, as it stands, while it has no thread but the one that
runs. Any other process may hold threads and locks of somebody else's; there a server forks them, which may
begin to import before the process that asks for it has finished its own.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing.context import BaseContext
from pathlib import Path

from toolkit.pipeline.pages import keep_pages

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


_own: list[bool] = []  # not empty in the toolkit's own command


def own_process() -> None:
    """Say that this process is the toolkit's own command: nobody else's threads or arrays are in it."""
    _own[:] = [True]
    keep_pages()


def may_fork() -> bool:
    """Whether others may be forked from this process: not where a card's driver may be in it."""
    return bool(_own) and sys.platform == "linux" and find_spec("cupy") is None


def forked(count: int) -> ProcessPoolExecutor | None:
    """A pool of ``count`` copies of this process, ready at once; None where that is not safe, or fails."""
    if not may_fork() or threading.active_count() > 1:
        return None
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=die_with_parent)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # here too: see die_with_parent
    gc.freeze()  # what is there stays: nobody need look through it again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # never seen by what is forked now
    try:
        with warnings.catch_warnings():  # threads of OpenBLAS and jemalloc, which know what a fork is
            warnings.simplefilter("ignore", DeprecationWarning)
            pool.submit(os.getpid)  # starts all of them, before the pool has a thread
    except OSError:  # no room for one more: those that are there would wait for ever
        for process in list((pool._processes or {}).values()):
            process.kill()
            process.join()
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


def served(count: int) -> ProcessPoolExecutor:
    """A pool of ``count`` processes that a server forks, or that start anew where there is none."""
    return ProcessPoolExecutor(count, mp_context=process_context(), initializer=_begin)


def _begin() -> None:
    die_with_parent()
    keep_pages()


def die_with_parent() -> None:
    """Leave when the parent is gone, and only then: a killed run must not leave writers behind.

    Of those that were forked the last leaves first, and the others see it. Interrupted from a terminal,
    which interrupts all, a process ends its part first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one process a core is parallel enough
    parent = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


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

    It imports what jobs of these ``stages`` need. Where processes may be forked, that is not needed.
    """
    several = cluster is None and (workers or usable_cores()) > 1
    if may_fork() or not several or sum(map(_size, paths)) < (ENOUGH if enough is None else enough):
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
