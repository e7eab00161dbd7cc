"""What a person sees while stages run: a bar on a terminal, a plain line elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Shows stages: enter one with its number of tasks, call what it yields as each ends.

    What is yielded takes the number of tasks that ended, and by keyword what they read:
    ``records`` and ``bytes`` in, and how many records were ``quarantined``.
    """

    def stage(self, name: str, tasks: int, done: int) -> contextmanager[Callable[..., None]]:
        """Show a stage of ``tasks``, of which ``done`` were finished by an earlier run."""

    def note(self, text: str) -> None:
        """Show what is about to be done, a line or a few."""


@dataclass
class Tally:
    """Records and bytes that came in so far, and how many of the records were set aside."""

    records: int = 0
    bytes: int = 0
    quarantined: int = 0

    def add(self, records: int = 0, bytes: int = 0, quarantined: int = 0) -> None:
        """Count some more."""
        self.records += records
        self.bytes += bytes
        self.quarantined += quarantined

    def running(self, seconds: float) -> str:
        """What a bar says: ``51,000 records, 58.1 MB, 27.7 MB/s, 24,286 records/s, 0.55 % quarantined``."""
        if not self.bytes:
            return ""
        share = f"{100 * self.quarantined / max(1, self.records):.2f} % quarantined"
        speed = f"{self._megabytes(seconds)}/s, {self.records / max(seconds, 1e-9):,.0f} records/s"
        return f"{self.records:,} records, {self._megabytes()}, {speed}, {share}"

    def closing(self, seconds: float) -> str:
        """What a log says: ``51,000 records, 58.1 MB in 2.1 s (27.7 MB/s), 281 quarantined``."""
        took = f"{seconds:.1f} s ({self._megabytes(seconds)}/s)"
        return f"{self.records:,} records, {self._megabytes()} in {took}, {self.quarantined:,} quarantined"

    def _megabytes(self, seconds: float = 1.0) -> str:
        return f"{self.bytes / max(seconds, 1e-9) / 1e6:,.1f} MB"


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, tasks: int, done: int) -> Iterator[Callable[..., None]]:
        """See Progress."""
        yield lambda _count=1, **_counts: None

    def note(self, text: str) -> None:
        """See Progress."""


class Plain:
    """One line a stage, for logs and pipes, and another at the end of one that read records."""

    @contextmanager
    def stage(self, name: str, tasks: int, done: int) -> Iterator[Callable[..., None]]:
        """See Progress."""
        earlier = f", {done} of them done before" if done else ""
        print(f"{name}: {tasks} tasks{earlier}", file=sys.stderr, flush=True)
        started, tally = time.perf_counter(), Tally()
        yield lambda _count=1, **counts: tally.add(**counts)
        if tally.bytes:
            told = tally.closing(time.perf_counter() - started)
            print(f"{name}: {told}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """See Progress."""
        print(text, file=sys.stderr, flush=True)


class Bars(Plain):
    """One bar a stage on a terminal."""

    @contextmanager
    def stage(self, name: str, tasks: int, done: int) -> Iterator[Callable[..., None]]:
        """See Progress."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = [
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[told]}"),
        ]
        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(name, total=tasks, completed=done, told="")
            started, tally = time.perf_counter(), Tally()

            def advance(count: int = 1, **counts: int) -> None:
                tally.add(**counts)
                bars.update(task, advance=count, told=tally.running(time.perf_counter() - started))

            yield advance


def for_people(quiet: bool) -> Progress:
    """Bars on a terminal, plain lines elsewhere, nothing when ``quiet``."""
    return Silent() if quiet else Bars() if sys.stderr.isatty() else Plain()
