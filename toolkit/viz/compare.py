"""What near-duplicate removal would do to a lake's conversations under other settings.

Three decisions are turned here: which text stands for a record (what was said, or the whole
transcript with its system prompt), the threshold, and whether a candidate pair is verified before
anything goes or its connected component is collapsed on the sketch's word. Everything is computed
again from the lake's own bronze; nothing is written.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from toolkit import dedup
from toolkit.pipeline.spec.reader import load_spec
from toolkit.pipeline.stages.canonicalise import canonicalise
from toolkit.storage import part_of, read_shard_bytes, shards
from toolkit.viz.palette import BLUE, GREY, ORANGE, RED

SHINGLE = "word:5"
RUINED = 0.5  # share of the distinct records lost from which a setting counts as ruinous


def before_dedup(lake: str | Path, regime: str = "sft") -> pa.Table:
    """Every record of ``regime`` that reached dedup, most preferred first.

    Columns: ``path`` and ``line`` of its origin, ``said`` (system prompts left out) and ``whole``,
    both normalised.
    """
    lake = Path(lake)
    rows = []
    for source in load_spec(lake / "spec.toml").source:
        for path in shards(lake / "bronze" / source.id):
            part = f"{source.id}/{part_of(path)}"
            reached = _origins(lake, part)
            read = canonicalise(read_shard_bytes(path), source.regime, source.map)
            texts = (dedup.normalise(read.compared).to_pylist(), dedup.normalise(read.every).to_pylist())
            for row, said, whole in zip(read.table.to_pylist(), *texts, strict=True):
                place = (row["origin"]["path"], row["origin"]["line"])
                if row["regime"] == regime and place in reached:
                    order = (row["source_rank"], -len(said.encode()), row["id"][:16], *place)
                    rows.append((order, said, whole))
    rows.sort()
    columns = {
        "path": [order[3] for order, _, _ in rows],
        "line": [order[4] for order, _, _ in rows],
        "said": [said for _, said, _ in rows],
        "whole": [whole for _, _, whole in rows],
    }
    return pa.table(columns)


def _origins(lake: Path, part: str) -> set[tuple[str, int]]:
    """Where the rows of silver and those that dedup removed come from, as (path, line)."""
    found = set()
    for layer, column in (("silver", "origin"), ("evidence/dedup", "removed_origin")):
        path = lake / layer / f"{part}.parquet"
        if path.exists():
            origins = pq.read_table(path, columns=[column], use_threads=False)[column].to_pylist()
            found |= {(origin["path"], origin["line"]) for origin in origins}
    return found


@dataclass(frozen=True)
class Outcome:
    """What a setting removes: records in all, and how many of those known to be distinct."""

    records: int
    removed: int
    distinct: int
    lost: int

    @property
    def ruined(self) -> bool:
        """Whether at least half of the distinct records are gone."""
        return self.distinct > 0 and self.lost >= RUINED * self.distinct

    def _repr_html_(self) -> str:
        share = 100 * self.lost / max(self.distinct, 1)
        bar = (
            "<div style='width:320px;background:#e8e8e8'>"
            f"<div style='width:{share:.0f}%;height:14px;background:{RED}'></div></div>"
        )
        return f"<p>{html.escape(self._words())}</p>{bar}"

    def __repr__(self) -> str:
        return self._words()

    def _words(self) -> str:
        facts = (
            f"{self.removed:,} of {self.records:,} conversations removed; "
            f"templated chats lost: {self.lost} of {self.distinct}. "
        )
        if self.ruined:
            return facts + "This is the setting that ruins everything: chats on different topics became one."
        return facts + (
            "Some that differ are gone." if self.lost else "Everything that differs is still here."
        )


def outcome(
    texts: pa.ChunkedArray, distinct: Sequence[bool], threshold: float = 0.8, verify: bool = True
) -> Outcome:
    """Remove near-duplicates of ``texts`` (normalised, most preferred first) and count what went.

    ``distinct``: which of the texts are known to differ in substance. ``verify=False`` keeps one text
    of every connected component of unverified candidates.
    """
    gone = _removed(texts, threshold, verify)
    known = np.asarray(distinct, bool)
    return Outcome(len(gone), int(gone.sum()), int(known.sum()), int((gone & known).sum()))


def _removed(texts: pa.ChunkedArray, threshold: float, verify: bool) -> np.ndarray:
    count, bands = len(texts), dedup.plan_bands(threshold)
    filled = np.flatnonzero(~dedup.is_empty(texts))
    keys = dedup.band_keys(dedup.sketch(texts, SHINGLE, bands.k), bands)[filled]
    found = dedup.merge_pairs(dedup.bucket_pairs(keys[:, band], filled) for band in range(bands.bands))
    pairs = found.pairs
    if not verify:
        return dedup.components(count, pairs) != np.arange(count)
    shared, union = dedup.jaccard(*dedup.shingle_sets(texts, SHINGLE), pairs)
    alike = dedup.similar(shared, union, str(threshold))
    return dedup.choose(count, pairs[alike], shared[alike], union[alike]) >= 0


def lost_by_threshold(
    table: pa.Table, distinct: Sequence[bool], thresholds: Sequence[float], used: float = 0.8
) -> Figure:
    """Draw how many distinct records are lost at each threshold, for the four ways to compare and decide.

    ``table`` comes from ``before_dedup``; ``used`` is the threshold to mark.
    """
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots()
    styles = (
        ("whole", False, RED, "s", "--", "whole transcript, not verified"),
        ("whole", True, ORANGE, "o", "-", "whole transcript, verified"),
        ("said", False, GREY, "^", "--", "what was said, not verified"),
        ("said", True, BLUE, "D", "-", "what was said, verified (the toolkit's way)"),
    )
    for column, verify, colour, marker, line, label in styles:
        lost = [outcome(table[column], distinct, t, verify).lost for t in thresholds]
        axes.plot(thresholds, lost, color=colour, marker=marker, ls=line, ms=5, label=label, clip_on=False)
    total = int(np.sum(distinct))
    axes.axvline(used, color="#bbbbbb", lw=1, zorder=0)
    axes.annotate("in use", (used, 1.03), xycoords=("data", "axes fraction"), ha="center", color="#666666")
    axes.set_ylim(0, 1.08 * total)
    axes.set_xlabel("threshold (Jaccard similarity of word 5-grams)")
    axes.set_ylabel(f"templated chats lost, of {total}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return figure
