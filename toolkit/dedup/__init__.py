"""Duplicates and contamination: normalise, exact, shingle, sketch, sieve, verify, choose.

Sketches propose, text decides. Every function is pure: Arrow text and NumPy arrays in, arrays
out; files and workers are the pipeline's. The definitions are in this folder's README.
"""

from toolkit.dedup.bands import Bands, band_keys, plan_bands
from toolkit.dedup.choose import choose, components
from toolkit.dedup.decontaminate import find, find_in_fields
from toolkit.dedup.exact import exact_ids, same_text
from toolkit.dedup.ngrams import NgramIndex, bare_words, build_index
from toolkit.dedup.normalise import is_empty, normalise
from toolkit.dedup.shingle import Shingle, shingle_sets
from toolkit.dedup.sieve import Pairs, bucket_pairs, merge_pairs
from toolkit.dedup.sketch import agreement, sketch
from toolkit.dedup.verify import exact_threshold, jaccard, similar

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
    "find_in_fields",
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
