"""ChatML conversations as runs, from the segments of ``template.render``: plain, one record at a time."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pyarrow as pa

from toolkit.errors import RequestError
from toolkit.packing.chat.runs import Runs
from toolkit.packing.chat.template import CONTROL_TOKENS, Segment, render


def chatml_runs(
    messages: pa.ListArray | pa.ChunkedArray, *, generation: bool = False, frozen: np.ndarray | None = None
) -> Runs:
    """Cut conversations into runs, one sequence a row; a null list has no runs.

    ``generation``: end with the header that asks the assistant to speak. ``frozen``: int64 [rows], how
    many leading messages are never trained. A message with an unknown role is a fault, ``template.role``.
    """
    found, ends, faults = [], [0], {}
    for row, turns in enumerate(messages.to_pylist()):
        fixed = 0 if frozen is None else int(frozen[row])
        try:
            prompt = render((turns or [])[:fixed], train=False)
            if turns is not None:
                found += _joined(prompt + render(turns[fixed:], generation=generation))
        except RequestError as error:
            faults[row] = ("template.role", str(error))
        ends.append(len(found))
    texts = pa.array(["" if s.control else s.text for s in found], pa.large_string())
    control = np.array([CONTROL_TOKENS.index(s.text) if s.control else -1 for s in found], np.int16)
    trained = np.array([s.trained for s in found], np.bool_)
    return Runs(np.array(ends, np.int64), texts, control, trained, faults)


def _joined(segments: list[Segment]) -> list[Segment]:
    """Join texts that follow each other with the same ``trained``; leave out empty ones."""
    filled = [s for s in segments if s.text]
    out = []
    for (control, trained), group in groupby(filled, key=lambda s: (s.control, s.trained)):
        same = list(group)
        out += same if control else [Segment("".join(s.text for s in same), False, trained)]
    return out
