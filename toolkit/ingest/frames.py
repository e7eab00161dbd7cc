"""Records as columns: where each lies in its file, and its payload in one buffer.

What every format's extraction hands to validation. Nothing is lost between the two:

    sum(length) + sum(overhead) = bytes of the span
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Options:
    """What an extraction may need besides bytes: the file's ``name`` and the rule for ``document`` ends."""

    name: str
    document: str = "blank-line"


@dataclass(frozen=True)
class Frames:
    """The n records of a span.

    ``data`` uint8: one buffer; the payload of record i is ``data[start[i]:stop[i]]`` (int64 both).
    ``line``, ``offset``, ``length`` int64: its place in the file, lines from 1, in bytes of the
    decompressed file. ``faults``: records that extraction refuses, as (reason, detail); their
    payload is their raw bytes. ``overhead``: bytes of the span that belong to no record, by kind.
    """

    data: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    line: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    faults: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    overhead: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start)

    def payload(self, row: int) -> bytes:
        """The payload of one record, copied."""
        return self.data[self.start[row] : self.stop[row]].tobytes()
