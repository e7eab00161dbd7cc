"""Concatenate and cut: all documents end to end, cut every C tokens. For teaching; nothing here uses it.

Every pack but the last is full, and there is no search at all. Token t of document i lies at position
e_i + t of one long row, e_i the tokens before it, and so in pack (e_i + t) div C.

What it costs: every cut that falls inside a document tears it. The piece after the cut has lost its
beginning: an answer without its question, trained on as if it followed from nothing. At mean length m
about C / m documents share a pack and one in each pack is torn, so a share of about m / C of all
documents; and the longest, which need their context most, are torn surest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.errors import RequestError
from toolkit.packing.fitting.lengths import checked_capacity, whole_numbers


@dataclass(frozen=True)
class Pieces:
    """Parallel int64 arrays [pieces]: tokens ``start`` .. ``start + length`` of a document lie in a pack."""

    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    pack: np.ndarray

    def torn(self) -> np.ndarray:
        """Return the documents that lie in more than one pack, int64, rising."""
        return np.unique(self.document[self.start > 0])


def concat_and_cut(lengths: np.ndarray, capacity: int) -> Pieces:
    """Cut the documents, end to end in their order, every ``capacity`` tokens; pieces in that order.

    ``lengths``: int [n], tokens, each at least 1; longer than ``capacity`` will do. Raises RequestError
    for a length below 1.
    """
    checked_capacity(capacity)
    lengths = whole_numbers(lengths)
    if lengths.size and lengths.min() < 1:
        bad = np.flatnonzero(lengths < 1)
        raise RequestError(
            f"document {bad[0]} has {lengths[bad[0]]} tokens, as have {bad.size} of {lengths.size} documents "
            "less than one. Remove them first: there is nothing of them to put anywhere."
        )
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    cuts = np.union1d(ends - lengths, np.arange(0, total, capacity))  # where a document or a pack begins
    document = np.searchsorted(ends, cuts, side="right")
    length = np.diff(np.append(cuts, total))
    return Pieces(document, cuts - (ends - lengths)[document], length, cuts // capacity)
