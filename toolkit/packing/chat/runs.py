"""Conversations as runs: what a chat template makes of them, cut where tokens or the mask must break.

    text | control token | text | control token | ...        each with "is it trained?"

A run is either one control token, put in by its id, or text, in which everything is text: also
what looks like a control token. Runs break at control tokens and where the mask changes, and
nowhere else, so that a tokenizer sees as much text at once as it sees when the model is used,
and no token ever lies on both sides of the mask's edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Runs:
    """Sequences as runs, end to end: those of sequence i are ``ends[i]`` to ``ends[i + 1]``.

    ``ends`` int64 [sequences + 1], the first 0. ``texts`` large_string [runs], empty for control
    tokens. ``control`` int16 [runs], an index into the template's control tokens, or -1 for text.
    ``trained`` bool [runs]. ``faults``: what is wrong with a sequence, by its number, as (code, detail);
    such a sequence has no runs. Text runs are never empty and never follow each other with equal
    ``trained``.
    """

    ends: np.ndarray
    texts: pa.LargeStringArray
    control: np.ndarray
    trained: np.ndarray
    faults: Mapping[int, tuple[str, str]] = field(default_factory=dict)
