"""Who resembles whom, and who stays: the steps of dedup over a corpus of sketched parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.similar import band_jobs, candidates
from toolkit.pipeline.stages.verdict import decide, put_in_order


def compare(corpus: Corpus, sketch: pa.Table, settings: Dedup, runner: Runner) -> dict[str, Any]:
    """Find who resembles whom and decide who stays: the verdict lies in the work folder afterwards."""
    order, representative = put_in_order(corpus, sketch, settings.keep)
    bands = band_jobs(corpus, settings)
    proposed = runner.stage("bands", bands)
    found = candidates(corpus, settings, bands, sketch["length"].to_numpy()[order])
    runner.stage("verify", found.jobs)
    facts = decide(corpus, settings, order, representative, found)
    for name in ("overfull_buckets", "skipped_pairs"):
        facts[name] = sum(manifest.facts[name] for manifest in proposed)
    copies = np.flatnonzero(representative != np.arange(len(representative)))
    raw = sketch["raw"].to_numpy()
    facts["copies"] = len(copies)
    facts["copies_after_normalising"] = int((raw[copies] != raw[representative[copies]]).sum())
    facts["largest_bucket"] = max(manifest.facts["largest_bucket"] for manifest in proposed)
    return facts
