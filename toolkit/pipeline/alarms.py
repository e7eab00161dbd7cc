"""What a person should look at: a rate outside its usual band, a field that changed its name, a bad file.

Each part of a source is held against all its earlier parts, and each delivery of several parts
against all before it. Nothing but the lake's own history decides, no clock is read, and no alarm
stops a run: of a rate that never changes, up to one part in 370 is still called unusual.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.ingest import CHANGED, suspected_renames
from toolkit.pipeline.bands import RECENT, SHARDS, mean_band, share_band
from toolkit.pipeline.deliveries import books_by_piece
from toolkit.pipeline.rates import Counts
from toolkit.storage import PartManifest

ALTERED = {
    "compression.damaged": "altered compression",
    "compression.altered": "altered compression",
    CHANGED: "changed while read",
}
MEAN = "mean bytes"
_SHAPES = 64  # of a file, the most frequent: one with more does not drift from one to another
_RARE = 0.002  # of a file's records: keys that fewer have, or only one, are no drift


@dataclass(frozen=True)
class _Unit:
    """Parts ``start`` to ``stop`` of a source, held against all before them."""

    what: Mapping[str, Any]
    name: str
    start: int
    stop: int

    @property
    def delivery(self) -> bool:
        """Whether it is a delivery of several parts."""
        return "delivery" in self.what


def alarms(
    counted: Mapping[str, Sequence[Counts]],
    listing: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Sequence[PartManifest]],
) -> list[dict[str, Any]]:
    """The fact ``alarms`` of a root manifest: damaged files, suspected renames, then rates.

    Each has a ``source``, a ``rate`` (what is out of the ordinary) and a ``message``; that of a
    rate has a ``part`` or ``delivery`` and ``found``, ``low`` and ``high``, that of a file its
    ``file``.
    """
    found: list[dict[str, Any]] = []
    for source in listing:
        found += _altered(source, manifests[source["id"]])
    for source in listing:
        found += _renames(source, manifests[source["id"]])
    for source in listing:
        found += _unusual(source["id"], counted[source["id"]])
    return found


def _unusual(source: str, parts: Sequence[Counts]) -> list[dict[str, Any]]:
    records, accepted = (np.array([getattr(p, n) for p in parts], np.int64) for n in ("records", "accepted"))
    size = np.array([part.payload_bytes for part in parts], np.int64)
    repeats = np.array([sum(part.duplicates.values()) for part in parts], np.int64)
    rates = [("rejected", records - accepted, records)]
    for reason in sorted({reason for part in parts for reason in part.quarantined}):
        counts = np.array([part.quarantined.get(reason, 0) for part in parts], np.int64)
        rates.append((f"rejected: {reason}", counts, records))
    rates += [("duplicates", repeats, accepted), (MEAN, size, accepted)]
    units = list(_units(parts))
    found = [(unit, alarm) for rate in rates for unit, alarm in _outside(units, *rate)]
    found.sort(key=lambda item: (item[0].start, -item[0].stop))
    return [{"source": source, **alarm, "message": _words(source, unit, alarm)} for unit, alarm in found]


def _units(parts: Sequence[Counts]) -> Iterator[_Unit]:
    """Every delivery of more than one part, and then its parts, in the order in which they came."""
    numbered = enumerate(parts)
    for delivery, group in itertools.groupby(numbered, lambda item: item[1].delivery):
        numbers = [number for number, _ in group]
        if len(numbers) > 1:
            yield _Unit({"delivery": delivery}, f"delivery {delivery}", numbers[0], numbers[-1] + 1)
        for number in numbers:
            part = parts[number].part.rpartition("/")[2]
            yield _Unit({"part": part}, part, number, number + 1)


def _outside(
    units: Sequence[_Unit], rate: str, counts: np.ndarray, sizes: np.ndarray
) -> Iterator[tuple[_Unit, dict[str, Any]]]:
    """The units out of the band of a rate; parts that only share in their delivery's alarm are left out.

    A part that is out of its band is no history, until ``SHARDS`` of them follow each other: from
    then on what they have is the usual, and what was before them is not.
    """
    usual, since = _Usual(len(counts)), 0
    whole = (0, 0)  # where the last delivery that was out of its band ends, and to which side it was
    for unit in units:
        mine = slice(unit.start, unit.stop)
        now, of = int(counts[mine].sum()), int(sizes[mine].sum())
        before = usual.before()
        band = mean_band(*before, of) if rate == MEAN else share_band(*before, of, now / max(1, of))
        side = 0 if band is None else int(now / of > band[1]) - int(now / of < band[0])
        if side and (unit.delivery or unit.start >= whole[0] or side != whole[1]):
            values = zip(("found", "low", "high"), (now / of, *band), strict=True)
            yield unit, {**unit.what, "rate": rate, "of": of, **{name: round(v, 9) for name, v in values}}
        if unit.delivery:
            whole = (unit.stop, side) if side else whole
        elif not side:
            usual.add(now, of)
            since = unit.stop
        elif unit.stop - since == SHARDS:
            usual.forget()
            for k in range(since, unit.stop):
                usual.add(int(counts[k]), int(sizes[k]))
            since = unit.stop


class _Usual:
    """The history that bands are made of: the last ``RECENT`` usual parts, and all before them as one.

    Of what is older a band asks only the sums.
    """

    def __init__(self, most: int) -> None:
        self._rows = np.zeros((2, most), np.int64)
        self._start = self._stop = 0

    def before(self) -> np.ndarray:
        """Their counts and sizes, int64 (2, k)."""
        return self._rows[:, self._start : self._stop]

    def add(self, count: int, size: int) -> None:
        """Add the part that came next."""
        self._rows[:, self._stop] = count, size
        self._stop += 1
        if self._stop - self._start > RECENT + 1:
            self._rows[:, self._start + 1] += self._rows[:, self._start]
            self._start += 1

    def forget(self) -> None:
        """Begin anew: what came so far is not usual any more."""
        self._start = self._stop


def _words(source: str, unit: _Unit, alarm: Mapping[str, Any]) -> str:
    found, low, high, of = (alarm[name] for name in ("found", "low", "high", "of"))
    if alarm["rate"] == MEAN:
        told = f"a record has {found:,.0f} bytes on average; usual are {low:,.0f} to {high:,.0f}"
    else:
        told = f"{alarm['rate']}, {_pct(found)} of {of:,} records; usual are {_pct(low)} to {_pct(high)}"
    return f"source {source!r}, {unit.name}: {told}"


def _pct(share: float) -> str:
    return f"{100 * share:.3g} %"


def _renames(source: Mapping[str, Any], manifests: Sequence[PartManifest]) -> Iterator[dict[str, Any]]:
    for shapes in _shapes(source["files"], manifests).values():
        enough = max(2.0, _RARE * sum(shape["records"] for shape in shapes))
        common = sorted((s for s in shapes if s["records"] >= enough), key=lambda shape: -shape["records"])
        for row in suspected_renames(common[:_SHAPES]):
            what = f"from line {row['line']:,} on, field {row['old']!r} seems to be called {row['new']!r}"
            message = f"source {source['id']!r}, {row['file']!r}: {what} ({row['records']:,} records)"
            yield {"source": source["id"], "rate": "suspected rename", **row, "message": message}


def _shapes(
    files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]
) -> dict[int, list[dict[str, Any]]]:
    """The shapes of each file over all its parts, by the place of what it began as in ``files``."""
    merged: dict[int, dict[tuple[str, ...], dict[str, Any]]] = defaultdict(dict)
    first = _first_places(files)
    for manifest in manifests:
        begun = {files[p["file"]]["name"]: first[p["file"]] for p in manifest.facts["pieces"]}
        for row in manifest.facts["shapes"]:
            if row["file"] not in begun:  # repaired lines stand at the places of other files
                continue
            held = merged[begun[row["file"]]].setdefault(tuple(row["keys"]), dict(row) | {"records": 0})
            held["records"] += row["records"]
            held["first"], held["last"] = min(held["first"], row["first"]), max(held["last"], row["last"])
    return {place: list(merged[place].values()) for place in sorted(merged)}


def _first_places(files: Sequence[Mapping[str, Any]]) -> list[int]:
    """For each file the place of the delivery it grew from: its own unless only what was added came."""
    begun: dict[str, int] = {}
    places = []
    for place, file in enumerate(files):
        if not file["start"]:
            begun[file["name"]] = place
        places.append(begun.get(file["name"], place))
    return places


def _altered(source: Mapping[str, Any], manifests: Sequence[PartManifest]) -> Iterator[dict[str, Any]]:
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for manifest in manifests:
        for piece, books in books_by_piece(manifest):
            for reason in ALTERED:
                if reason in books.quarantined:
                    seen[source["files"][piece["file"]]["name"], reason] += books.quarantined[reason].size
    for (file, reason), size in seen.items():
        message = f"source {source['id']!r}, {file!r}: {ALTERED[reason]}, {size:,} bytes set aside"
        yield {
            "source": source["id"],
            "rate": ALTERED[reason],
            "file": file,
            "bytes": size,
            "message": message,
        }
