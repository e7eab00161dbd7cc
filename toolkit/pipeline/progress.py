"""What a person sees while stages run: a bar on a terminal, a plain line elsewhere, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Shows stages: enter one with its number of tasks, call what it yields as each ends."""

    def stage(self, name: str, tasks: int, done: int) -> contextmanager[Callable[..., None]]:
        """Show a stage of ``tasks``, of which ``done`` were finished by an earlier run."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, tasks: int, done: int) -> Iterator[Callable[..., None]]:
        """See Progress."""
        yield lambda _count=1: None


class Plain:
    """One line a stage, for logs and pipes."""

    @contextmanager
    def stage(self, name: str, tasks: int, done: int) -> Iterator[Callable[..., None]]:
        """See Progress."""
        earlier = f", {done} of them done before" if done else ""
        print(f"{name}: {tasks} tasks{earlier}", file=sys.stderr, flush=True)
        yield lambda _count=1: None


class Bars:
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
        ]
        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(name, total=tasks, completed=done)
            yield lambda count=1: bars.advance(task, count)


def for_people(quiet: bool) -> Progress:
    """Bars on a terminal, plain lines elsewhere, nothing when ``quiet``."""
    return Silent() if quiet else Bars() if sys.stderr.isatty() else Plain()
