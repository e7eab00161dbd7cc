"""Duplicates and contamination: normalise, exact, shingle, sketch, sieve, verify, choose.

Sketches propose, text decides. Every function is pure: Arrow text and NumPy arrays in, arrays
out; files and workers are the pipeline's. The definitions are in this folder's README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.dedup.bands import Bands, band_keys, plan_bands
    from toolkit.dedup.choose import choose, components
    from toolkit.dedup.common import LEAST, common_shingles, shingle_counts, slot_counts, without
    from toolkit.dedup.decontaminate import find, find_in_fields
    from toolkit.dedup.exact import exact_ids, same_text
    from toolkit.dedup.ngrams import NgramIndex, bare_words, build_index
    from toolkit.dedup.normalise import is_empty, normalise
    from toolkit.dedup.shingle import Shingle, shingle_sets
    from toolkit.dedup.sieve import Pairs, bucket_pairs, merge_packed, merge_pairs
    from toolkit.dedup.sketch import agreement, sketch, sketch_sets
    from toolkit.dedup.verify import exact_threshold, jaccard, similar

# Found at first use: importing the toolkit must not wait for the kernels to load.
_HOMES = {
    "bands": ("Bands", "band_keys", "plan_bands"),
    "choose": ("choose", "components"),
    "common": ("LEAST", "common_shingles", "shingle_counts", "slot_counts", "without"),
    "decontaminate": ("find", "find_in_fields"),
    "exact": ("exact_ids", "same_text"),
    "ngrams": ("NgramIndex", "bare_words", "build_index"),
    "normalise": ("is_empty", "normalise"),
    "shingle": ("Shingle", "shingle_sets"),
    "sieve": ("Pairs", "bucket_pairs", "merge_packed", "merge_pairs"),
    "sketch": ("agreement", "sketch", "sketch_sets"),
    "verify": ("exact_threshold", "jaccard", "similar"),
}

__all__ = [
    "LEAST",
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
    "common_shingles",
    "components",
    "exact_ids",
    "exact_threshold",
    "find",
    "find_in_fields",
    "is_empty",
    "jaccard",
    "merge_packed",
    "merge_pairs",
    "normalise",
    "plan_bands",
    "same_text",
    "shingle_counts",
    "shingle_sets",
    "similar",
    "sketch",
    "sketch_sets",
    "slot_counts",
    "without",
]
