"""Duplicates and contamination: normalise, exact, shingle, sketch, sieve, verify, choose.

Sketches propose, text decides. Every function is pure: Arrow text and NumPy arrays in, arrays
out; files and workers are the pipeline's. The definitions are in this folder's README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.dedup.bands import Bands, band_keys, plan_bands
    from toolkit.dedup.choose import choose, components
    from toolkit.dedup.decontaminate import NgramIndex, bare_words, build_index, find
    from toolkit.dedup.exact import exact_ids, same_text
    from toolkit.dedup.normalise import is_empty, normalise
    from toolkit.dedup.shingle import Shingle, shingle_sets
    from toolkit.dedup.sieve import Pairs, bucket_pairs, merge_pairs
    from toolkit.dedup.sketch import agreement, sketch
    from toolkit.dedup.verify import exact_threshold, jaccard, similar

# Found at first use: importing the toolkit must not wait for the kernels to load.
_HOMES = {
    "common": ("common_shingles", "shingle_counts", "slot_counts", "without"),
    "bands": (
        "Bands",
        "band_keys",
        "plan_bands",
    ),
    "choose": (
        "choose",
        "components",
    ),
    "decontaminate": (
        "NgramIndex",
        "bare_words",
        "build_index",
        "find",
    ),
    "exact": (
        "exact_ids",
        "same_text",
    ),
    "normalise": (
        "is_empty",
        "normalise",
    ),
    "shingle": (
        "Shingle",
        "shingle_sets",
    ),
    "sieve": (
        "Pairs",
        "bucket_pairs",
        "merge_pairs",
    ),
    "sketch": (
        "agreement",
        "sketch",
    ),
    "verify": (
        "exact_threshold",
        "jaccard",
        "similar",
    ),
}

__all__ = [
    "Bands",
    "NgramIndex",
    "Pairs",
    "Shingle",
    "agreement",
    "band_keys",
    "bare_words",
    "bucket_pairs",
    "build_index",
    "choose",
    "components",
    "exact_ids",
    "exact_threshold",
    "find",
    "is_empty",
    "jaccard",
    "merge_pairs",
    "normalise",
    "plan_bands",
    "same_text",
    "shingle_sets",
    "similar",
    "sketch",
]
