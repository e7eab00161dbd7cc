"""The report's charts: inline SVG that takes its colours from the page and needs no script.

A bar is drawn without text and stretches with its table cell. A histogram has a fixed shape of
360 x 150 units, so that its labels stay legible from a phone's width up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 360, 150, 6, 18, 24


def bar(shares: Sequence[tuple[float, str]], label: str) -> Markup:
    """A horizontal bar of (share of the whole, CSS class) pieces, left to right; ``label`` is read out."""
    pieces, left = [], 0.0
    for share, name in shares:
        width = 100 * min(max(share, 0.0), 1.0)
        width = max(width, 0.6) if share > 0 else 0.0
        shape = Markup('<rect x="{:.2f}" y="0" width="{:.2f}" height="10" class="{}"/>')
        pieces.append(shape.format(min(left, 100 - width), width, name))
        left += width
    frame = Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{0}">'
        '<title>{0}</title><rect x="0" y="0" width="100" height="10" class="track"/>{1}</svg>'
    )
    return frame.format(label, Markup("").join(pieces))


def histogram(
    counts: Sequence[int],
    ticks: Sequence[tuple[float, str]],
    label: str,
    marker: tuple[float, str] | None = None,
) -> Markup:
    """Columns of equal width for ``counts``; ``ticks`` and ``marker`` are (place 0..1, text).

    Columns right of the marker carry the accent; without a marker all do.
    """
    if not any(counts):
        return Markup("")
    step, top = (_WIDTH - 2 * _LEFT) / len(counts), max(counts)
    columns = []
    for number, count in enumerate(counts):
        name = "out" if marker is None or number / len(counts) >= marker[0] - 1e-9 else "quiet"
        columns.append(_column(_LEFT + number * step, step, count, top, name))
    frame = Markup(
        '<svg class="plot" viewBox="0 0 {0} {1}" role="img" aria-label="{2}"><title>{2}</title>{3}{4}</svg>'
    )
    axis = _axis(ticks) + (_marker(*marker) if marker else Markup(""))
    return frame.format(_WIDTH, _HEIGHT, label, Markup("").join(columns), axis)


def lengths(counts: np.ndarray, label: str) -> Markup:
    """A histogram of lengths on a doubling scale; ``counts[n]`` is how many have n tokens."""
    values = np.flatnonzero(counts)
    if not len(values):
        return Markup("")
    low = int(np.log2(max(1, values[0])))
    high = max(low + 1, int(np.ceil(np.log2(values[-1] + 1))))
    bins = 4 * (high - low)
    edges = 2.0 ** np.linspace(low, high, bins + 1)
    found, _ = np.histogram(np.maximum(values, 1), bins=edges, weights=counts[values])
    stride = -(-(high - low) // 6)
    ticks = [((n - low) / (high - low), f"{2**n:,}") for n in range(low, high + 1, stride)]
    return histogram([int(count) for count in found], ticks, label)


def _column(x: float, step: float, count: int, top: int, name: str) -> Markup:
    room = _HEIGHT - _TOP - _BOTTOM
    height = max(room * count / top, 1.5) if count else 0.0
    shape = Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" class="{}"/>')
    drawn = shape.format(x + 0.5, _HEIGHT - _BOTTOM - height, step - 1, height, name)
    if count == top:
        text = Markup('<text x="{:.2f}" y="{:.2f}" text-anchor="{}">{:,}</text>')
        drawn += text.format(x + step / 2, _HEIGHT - _BOTTOM - height - 4, _anchor(x / _WIDTH), count)
    return drawn


def _axis(ticks: Sequence[tuple[float, str]]) -> Markup:
    base = _HEIGHT - _BOTTOM
    line = Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="axis"/>')
    drawn = line.format(_LEFT, _WIDTH - _LEFT, base, base)
    for place, text in ticks:
        x = _LEFT + place * (_WIDTH - 2 * _LEFT)
        mark = Markup('<text x="{:.2f}" y="{}" text-anchor="{}">{}</text>')
        drawn += mark.format(x, base + 15, _anchor(place), text)
    return drawn


def _marker(place: float, text: str) -> Markup:
    x = _LEFT + place * (_WIDTH - 2 * _LEFT)
    shape = Markup(
        '<line x1="{0:.2f}" x2="{0:.2f}" y1="4" y2="{1}" class="marker"/>'
        '<text x="{2:.2f}" y="11" text-anchor="{3}" class="mark">{4}</text>'
    )
    side, anchor = (-4, "end") if place > 0.5 else (4, "start")
    return shape.format(x, _HEIGHT - _BOTTOM, x + side, anchor, text)


def _anchor(place: float) -> str:
    return "start" if place < 0.05 else "end" if place > 0.95 else "middle"
