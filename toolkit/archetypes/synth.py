"""Messy raw dumps that look like the world, with the planted truth beside them.

The problem: a pipeline can be believed only on data whose faults are known, and real dumps do
not say. ``synth`` writes five kinds of source in three regimes and plants duplicates, leaks,
broken lines and the rest, each with a row in ``truth.parquet``. Files are written one after
another in chunks of 1,024 records, a chunk's text by one kernel call; only the reservoir of
originals outlives a chunk, so memory is flat at any N. The same seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from toolkit.archetypes import annotation, production, public, synthetic, web
from toolkit.archetypes.chunk import Chunks
from toolkit.archetypes.delivery import Delivery
from toolkit.archetypes.evaluation import SIZES, write_sets
from toolkit.archetypes.feed import Feed, Source
from toolkit.archetypes.language import lexicon
from toolkit.archetypes.plan import TEMPLATED, allot, records_by_feed
from toolkit.archetypes.result import Synth
from toolkit.archetypes.spec import spec_toml
from toolkit.archetypes.staging import prepare, publish
from toolkit.archetypes.templated import Templates
from toolkit.archetypes.truth import Truth
from toolkit.errors import RequestError

FEEDS: tuple[Feed, ...] = (
    *annotation.FEEDS,
    *synthetic.FEEDS,
    *production.FEEDS,
    *public.FEEDS,
    *web.FEEDS,
)
CHUNK = 1024


def sources() -> list[Source]:
    """Return the sources of a dump, in the order of the spec."""
    return list({feed.source.id: feed.source for feed in FEEDS}.values())


def file_names() -> list[str]:
    """Return every file of a dump, relative to its folder: the same for any N and any seed."""
    feeds = [name for feed in FEEDS for name in (feed.path, feed.twin) if name]
    return [*feeds, *(f"eval/{name}.jsonl" for name in SIZES), "truth.parquet", "spec.toml"]


def synth(
    out: str | Path,
    records: int = 50_000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Synth:
    """Write a dump of ``records`` lines to the folder ``out`` and return what was written.

    ``records`` counts the lines of all training files that are not blank, malformed ones
    included; the second copy of the file that is delivered twice is not counted. A line has about
    1.3 kB. ``progress(done, records)`` is called after every chunk. An earlier dump in ``out`` is
    replaced; any other content is refused. RequestError: records below 1, a seed that is not in
    [0, 2^63), or such an ``out``.
    """
    if records < 1:
        raise RequestError(f"records is {records}; expected at least 1, as in --records 50000.")
    if not 0 <= seed < 2**63:
        raise RequestError(f"seed is {seed}; expected an integer from 0 to 2^63 - 1.")
    out, names = Path(out), file_names()
    staging = prepare(out, names)
    truth = Truth(staging / "truth.parquet")
    try:
        written = _write(staging, truth, records, seed, progress or (lambda done, total: None))
    finally:
        truth.close()
    (staging / "spec.toml").write_text(spec_toml(sources()), encoding="utf-8", newline="\n")
    files = publish(staging, out, names)
    by_source: dict[str, int] = {}
    for feed, count in zip(FEEDS, records_by_feed(FEEDS, records), strict=True):
        by_source[feed.source.id] = by_source.get(feed.source.id, 0) + count
    return Synth(out, records, seed, written, files, by_source, dict(truth.kinds), dict(truth.reasons))


def _write(staging: Path, truth: Truth, records: int, seed: int, progress: Callable[[int, int], None]) -> int:
    """Write the evaluation sets and every feed; return the bytes of the training files, decompressed."""
    counts = records_by_feed(FEEDS, records)
    quotas = allot(FEEDS, counts, records)
    items = write_sets(staging, lexicon(), seed)
    templates = Templates(lexicon(), seed, sum(quota.get(TEMPLATED, 0) for quota in quotas))
    chunks = Chunks(seed, items, templates, truth)
    done = written = 0
    for feed, count, quota in zip(FEEDS, counts, quotas, strict=True):
        delivery = Delivery(staging, feed)
        try:
            for start in range(0, count, CHUNK):
                size = min(CHUNK, count - start)
                chunks.write(delivery, feed, quota, count, start, size)
                delivery.flush(last=start + size == count)
                done += size
                progress(done, records)
        finally:
            delivery.close()
        if feed.twin:
            truth.add("delivered_twice", feed.twin, None, other_path=feed.path)
        written += delivery.bytes
    return written
