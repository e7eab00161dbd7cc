"""Each kernel by the card's own clock, against its own bound, with copies and without.

``kernel`` is the time of the launches alone, ``function`` of all that the function queues (sorts, scans,
sizes that are waited for), ``with copies`` of that from host memory to host memory, one after another. What
hashes words is a kernel of its own, ``words``: rows of word:5 leave it out of ``kernel`` only.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from benchmarks import launch
from benchmarks.gpu_card import Timed, give_back, middles, pinned, to_card, to_host
from benchmarks.gpu_works import Limits, Work, works

Row = dict[str, Any]


def kernels_of(door: Any, rates: Row, card: Row, size: int, repeat: int, until: float) -> list[Row]:
    """A row for each kernel and kind of text, ``size`` bytes each; what there is no time for is named."""
    limits = Limits(middles(rates["operations"]), middles(rates["bytes"]), card.get("architecture", ""))
    rows = []
    for make in works(limits, size):
        if time.perf_counter() > until:
            rows.append({"name": make[0], "missing": "no time left"})
            continue
        try:
            rows.append(_row(door, make[1](), repeat))
        except Exception as error:  # an algorithm's memory may exceed a small card; the rest still counts
            rows.append({"name": make[0], "missing": f"{type(error).__name__}: {error}"[:200]})
        give_back(door)
    return rows


def _row(door: Any, work: Work, repeat: int) -> Row:
    timed = Timed(door)
    alone = _alone(timed, work, repeat)
    spent = [
        sum(alone["kernels"][name][r] for name in work.kernels if name in alone["kernels"])
        for r in range(repeat)
    ]
    row = {
        "name": work.name, "of": work.of, "amount": work.amount, "unit": work.unit, "counts": work.counts,
        "bound": work.amount / work.seconds, "runs": alone, "copied": _copied(timed, work, repeat),
    }  # fmt: skip
    row["kernel"] = work.amount / statistics.median(spent)
    row["function"] = work.amount / statistics.median(alone["whole"])
    row["with copies"] = work.amount / statistics.median(row["copied"])
    return row


def _alone(timed: Timed, work: Work, repeat: int) -> Row:
    there = tuple(timed.array(values) for values in work.arrays)
    return timed.measure(lambda d: work.run(d, there), repeat)


def _copied(timed: Timed, work: Work, repeat: int) -> list[float]:
    """Seconds from pinned host memory to pinned host memory."""
    door, host = timed.door, []
    for values in work.arrays:
        room = pinned(door, values.nbytes).view(values.dtype).reshape(values.shape)
        room[...] = values
        host.append((room, door.empty(values.shape, values.dtype)))
    out: list[np.ndarray] = []

    def run(d: Any) -> None:
        for here, there in host:
            to_card(door, here, there)
        found = work.run(d, tuple(there for _, there in host))
        results = found if isinstance(found, tuple) else (found,)
        if not out:
            out.extend(
                pinned(door, max(1, r.nbytes))[: r.nbytes].view(r.dtype).reshape(r.shape) for r in results
            )
        for result, here in zip(results, out, strict=True):
            to_host(door, result, here)

    return timed.measure(run, repeat)["whole"]


def table(rows: list[Row]) -> str:
    """Markdown: billions a second, and the share of the bound that the kernel alone reaches."""
    lines = [
        (
            "kernel",
            "G a second, kernel",
            "bound",
            "share",
            "function",
            "with copies",
            "of",
            "the bound counts",
        )
    ]
    for row in rows:
        if "missing" in row:
            lines.append((row["name"], row["missing"].replace("|", "/"), "", "", "", "", "", ""))
            continue
        speeds = [f"{row[key] / 1e9:.3g}" for key in ("kernel", "bound", "function", "with copies")]
        share = f"{row['kernel'] / row['bound']:.0%}"
        lines.append((row["name"], *speeds[:2], share, *speeds[2:], row["unit"], row["counts"]))
    return launch.markdown(lines)
