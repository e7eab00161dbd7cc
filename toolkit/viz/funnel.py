"""The funnel: how many records each stage passed on, and why the others did not go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from toolkit.viz.palette import BLUE, GREY, INK, ORANGE, RED


def funnel(manifest: Mapping[str, Any]) -> Figure:
    """Draw a lake's root manifest: left the records after each stage, right those that left, by reason."""
    ledgers = manifest["ledgers"]
    left = [(ledger["stage"], *item) for ledger in ledgers for item in _left(ledger)]
    figure = Figure(figsize=(10, max(3.2, 0.24 * len(left) + 1.2)), layout="constrained")
    passed, reasons = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _passed(passed, ledgers)
    _reasons(reasons, left)
    if left:
        figure.legend(frameon=False, loc="outside upper right", ncols=2)
    return figure


def _left(ledger: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(how, reason, records) of a stage, most first."""
    found = [
        (how, reason, group["records"])
        for how in ("quarantined", "removed")
        for reason, group in ledger[how].items()
    ]
    return sorted(found, key=lambda item: (-item[2], item[1]))


def _passed(axes: Axes, ledgers: list[Mapping[str, Any]]) -> None:
    names = ["read", *(f"after {ledger['stage']}" for ledger in ledgers)]
    counts = [ledgers[0]["in"]["records"], *(ledger["out"]["records"] for ledger in ledgers)]
    bars = axes.barh(names, counts, color=[GREY, *[BLUE] * len(ledgers)], height=0.62)
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=3, color=INK)
    _plain(axes, "records that go on", max(counts))


def _reasons(axes: Axes, left: list[tuple[str, str, str, int]]) -> None:
    colour = {"quarantined": ORANGE, "removed": RED}
    for how in colour:
        at = [i for i, row in enumerate(left) if row[1] == how]
        bars = axes.barh(at, [left[i][3] for i in at], color=colour[how], height=0.62, label=how)
        axes.bar_label(bars, [f"{left[i][3]:,}" for i in at], padding=3, color=INK)
    axes.set_yticks(range(len(left)), [f"{stage}  {reason}" for stage, _, reason, _ in left], fontsize=8)
    _plain(axes, "records that do not, and why", max((row[3] for row in left), default=1))


def _plain(axes: Axes, title: str, most: int) -> None:
    axes.invert_yaxis()
    axes.set_xlim(0, 1.16 * max(most, 1))
    axes.set_xlabel("records")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
