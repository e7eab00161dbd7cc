"""Where jobs run: in this process, in a pool of processes, or on a Dask cluster.

Any ``concurrent.futures.Executor`` will do, because jobs are independent and their results
are taken in the order of the jobs, never in the order of arrival.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from toolkit.errors import MissingExtra, RequestError, ToolkitError
from toolkit.kernels import Device, pick, using
from toolkit.pipeline.jobs import Job, Outcome, execute
from toolkit.pipeline.processes import forked, ready_in, served, usable_cores

_Item, _Result = TypeVar("_Item"), TypeVar("_Result")


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], executor: Executor | None, ahead: int
) -> Iterator[_Result]:
    """``work`` of each item, in their order; with an ``executor`` at most ``ahead`` + 1 are in flight."""
    if executor is None:
        yield from map(work, items)
        return
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenExecutor:  # see Workers._share
        waiting.clear()
        raise
    finally:
        for future in waiting:
            future.cancel()


class Workers:
    """A lazily started executor: a run with nothing to do starts none.

    Within it this process uses ``device``, and so does every job, wherever it runs.
    """

    def __init__(
        self,
        count: int | None = None,
        cluster: str | None = None,
        executor: Executor | None = None,
        device: Device | None = None,
    ) -> None:
        if count is not None and count < 1:
            raise RequestError(f"--workers must be at least 1, found {count}.")
        if cluster is not None and not re.fullmatch(r"local:[1-9]\d*|\w+://.+:\d+", cluster):
            raise RequestError(
                f"--cluster is {cluster!r}; expected local:N or an address like tcp://host:8786."
            )
        self.count = count or usable_cores()
        self.cluster = cluster
        self.device = device
        self._theirs = device  # the same, as it is told to processes that are none of ours
        self._using = ExitStack()
        self._given = executor
        self._executor = executor
        self._close: Callable[[], None] = lambda: None

    def ready(self, jobs: int, others: int | None = None) -> None:
        """Fork the ``others`` where that is safe, if ``jobs`` are for several; before threads start."""
        if self._helps and self._executor is None and min(jobs, self.count) > 1:
            pool = forked(others or self.count - 1)
            self._executor = pool and self._closing(pool)

    def run(self, jobs: Sequence[Job], advance: Callable[[Outcome], None]) -> list[Outcome]:
        """Run the jobs, call ``advance`` as each ends, return outcomes in the order of ``jobs``."""
        if self._here or (len(jobs) == 1 and self.cluster is None and self._given is None):
            outcomes = []
            for job in jobs:
                outcomes.append(execute(job, self.device))
                advance(outcomes[-1])
            return outcomes
        return self._spread(jobs, advance) if jobs else []

    def flow(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs as they come, a few ahead of the outcomes, which keep the order of the jobs.

        For jobs without end: at most one more than the workers are held at a time.
        """
        with _worker_losses(), _importable_main():
            pool = None if self._here else self._pool(self.count)
            yield from in_order(partial(execute, device=self._theirs), jobs, pool, self.count)

    @property
    def _here(self) -> bool:
        """Whether this process does all the work."""
        return self.cluster is None and self._given is None and self.count == 1

    def _spread(self, jobs: Sequence[Job], advance: Callable[[Outcome], None]) -> list[Outcome]:
        """Jobs from the first on in other processes, and from the last on in this one, which is a worker too.

        It takes the first ones itself for as long as what is left would be done before others had started.
        """
        done: dict[int, Outcome] = {}
        first = 0
        with _worker_losses(), _importable_main():
            while first < len(jobs) and not self._worth_others(done, len(jobs) - first):
                done[first] = execute(jobs[first], self.device)
                advance(done[first])
                first += 1
            if first < len(jobs):
                self._share(jobs, deque(range(first, len(jobs))), done, advance)
        return [done[number] for number in range(len(jobs))]

    def _share(
        self,
        jobs: Sequence[Job],
        left: deque[int],
        done: dict[int, Outcome],
        advance: Callable[[Outcome], None],
    ) -> None:
        """Do the jobs that are ``left``; where this process helps, others hold only a job more than they do.

        A pool that lost a process ends every job that it holds, and stops for ever at one that was called
        back meanwhile (Python 3.11): from such a pool none is.
        """
        pool = self._pool(self.count - 1)
        futures: dict[Future[Outcome], int] = {}
        ended: SimpleQueue[Future[Outcome] | Exception] = SimpleQueue()

        def give() -> None:
            if (number := _taken_from(left.popleft)) is not None:
                future = pool.submit(execute, jobs[number], self._theirs)
                futures[future] = number
                future.add_done_callback(taken)

        def taken(future: Future[Outcome]) -> None:
            ended.put(future)
            if not future.cancelled() and future.exception() is None:
                try:
                    give()
                except Exception as error:  # of a pool that cannot start a process, or is closing
                    ended.put(error)

        def finish(number: int, outcome: Outcome) -> None:
            done[number] = outcome
            advance(outcome)

        def take() -> None:
            future = ended.get()
            if isinstance(future, Exception):
                raise future
            finish(futures[future], future.result())

        try:
            for _ in range(self.count if self._helps else len(left)):
                give()
            while self._helps and (number := _taken_from(left.pop)) is not None:
                finish(number, execute(jobs[number], self.device))
                while not ended.empty():
                    take()
            while len(done) < len(jobs):
                take()
        except BrokenExecutor:
            futures.clear()
            raise
        finally:
            left.clear()
            for future in list(futures):
                future.cancel()

    @property
    def _helps(self) -> bool:
        """Whether this process is one of the workers: not of a cluster, nor of somebody's executor."""
        return self.cluster is None and self._given is None

    def _worth_others(self, done: Mapping[int, Outcome], left: int) -> bool:
        """Whether other processes would be done with what is left sooner than this one alone."""
        if self._executor is not None or not self._helps:
            return True
        if not done:
            return False
        alone = left * sum(outcome.seconds for outcome in done.values()) / len(done)
        return alone > ready_in() * self.count / (self.count - 1)

    def _pool(self, count: int) -> Executor:
        if self._executor is None:
            self._executor = self._connect() if self.cluster else self._processes(count)
        return self._executor

    def _processes(self, count: int) -> Executor:
        return self._closing(served(count))

    def _closing(self, pool: Executor) -> Executor:
        self._close = lambda: pool.shutdown(wait=True, cancel_futures=True)
        return pool

    def _connect(self) -> Executor:
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise MissingExtra("--cluster", "distributed") from None
        assert self.cluster is not None
        if self.cluster.startswith("local:"):
            count = int(self.cluster.removeprefix("local:"))
            made = self._cuda_cluster(count) or LocalCluster
            # None would mean port 8787, open to other machines
            how = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
            local = made(n_workers=count, threads_per_worker=1, **how)
            client = Client(local)
            self._close = lambda: (client.close(), local.close())
        else:
            try:
                client = Client(self.cluster)
            except OSError as error:
                raise RequestError(f"no Dask scheduler answers at {self.cluster}: {error}") from error
            if self.device is not None:  # cards of other machines are other cards
                self._theirs = replace(self.device, cards=(0,))
            self._close = client.close
        return client.get_executor(pure=False)

    def _cuda_cluster(self, count: int) -> Any:
        """Dask's cluster of a card a worker, where it is installed and there are as many cards."""
        if self.device is None or self.device.name != "cuda" or count > len(self.device.cards):
            return None
        try:
            from dask_cuda import LocalCUDACluster
        except ImportError:
            return None
        self._theirs = replace(self.device, cards=(0,))  # each worker sees its own card first
        return LocalCUDACluster

    def close(self) -> None:
        """Stop the workers."""
        self._close()
        self._close, self._executor = lambda: None, self._given

    def __enter__(self) -> Workers:
        self._using.enter_context(using(self.device))
        return self

    def __exit__(self, *_: Any) -> None:
        self._using.close()
        self.close()


def _taken_from(end: Callable[[], int]) -> int | None:
    """What an end of a deque gives, which threads share; None from an empty one."""
    try:
        return end()
    except IndexError:
        return None


def device_of(
    device: str | None, memory: str | int | None, workers: int | None, cluster: str | None
) -> Device:
    """Pick the device for a run by ``workers`` processes or a ``cluster``; see ``kernels.pick``."""
    local = (cluster or "").removeprefix("local:")
    count = int(local) if local.isdigit() else 1 if cluster else workers or usable_cores()
    return pick(device, memory, max(1, count))


@contextmanager
def _worker_losses() -> Iterator[None]:
    """Say what a broken pool means."""
    try:
        yield
    except BrokenProcessPool:
        raise ToolkitError(
            "a worker process was killed, most likely for want of memory. Finished parts are kept: "
            "run the same command again, with fewer --workers if it happens twice."
        ) from None


@contextmanager
def _importable_main() -> Iterator[None]:
    """Keep new processes from importing the caller's script: jobs need only the toolkit."""
    main = sys.modules["__main__"]
    hidden = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    try:
        vars(main).pop("__file__", None)
        main.__spec__ = None
        yield
    finally:
        vars(main).update(hidden)
