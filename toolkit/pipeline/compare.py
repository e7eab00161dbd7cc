"""Who resembles whom, and who stays: the steps of dedup over a corpus of sketched parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.pipeline.forecast import forecast
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.corpus import Corpus, save_array
from toolkit.pipeline.stages.keys import KeysJob
from toolkit.pipeline.stages.masks import Masks, find_masks
from toolkit.pipeline.stages.similar import band_jobs, candidates
from toolkit.pipeline.stages.verdict import decide, put_in_order


def compare(
    corpus: Corpus, sketch: pa.Table, settings: Dedup, runner: Runner, held: Masks | None = None
) -> tuple[dict[str, Any], Masks]:
    """Find who resembles whom and decide who stays: the verdict lies in the work folder afterwards.

    ``held`` are the masks of settled records. Returns what the report tells, and all masks.
    """
    groups, length = corpus.groups(), sketch["length"].to_numpy()
    save_array(corpus.work / "group.npy", groups)
    masks, left_out = find_masks(corpus, groups, length, held or Masks({}, {}), settings, runner)
    runner.progress.note(forecast(corpus, length, settings))
    parts = [part for part, (first, _) in enumerate(corpus.bounds()) if first >= corpus.settled]
    runner.stage("sketch", [KeysJob(corpus, part, masks, settings) for part in parts])
    order, representative = put_in_order(corpus, sketch, settings.keep)
    bands = band_jobs(corpus, settings, masks)
    proposed = runner.stage("bands", bands)
    found = candidates(corpus, settings, bands, length[order], masks)
    runner.stage("verify", found.jobs)
    facts = decide(corpus, settings, order, representative, found, masks)
    for name in ("overfull_buckets", "skipped_pairs"):
        facts[name] = sum(manifest.facts[name] for manifest in proposed)
    facts["largest_bucket"] = max(manifest.facts["largest_bucket"] for manifest in proposed)
    facts["crowds"] = {
        name: max(manifest.facts["crowd"].get(name, 0) for manifest in proposed)
        for name in sorted({name for manifest in proposed for name in manifest.facts["crowd"]})
    }
    copies = np.flatnonzero(representative != np.arange(len(representative)))
    raw = sketch["raw"].to_numpy()
    facts["copies"] = len(copies)
    facts["copies_after_normalising"] = int((raw[copies] != raw[representative[copies]]).sum())
    facts["common"] = left_out
    return facts, masks
