"""Normalising ASCII through a door: the bits of ``toolkit.dedup.normalise``, and of ``bare_words``.

A text with a byte of 0x80 or above comes out empty and flagged: its case and composition are the host's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across

I64 = np.int64


def normalise_ascii(door: Any, data: Any, offsets: Any, bare: bool = False) -> tuple[Any, Any, Any]:
    """(data uint8, offsets int64[rows + 1], flags uint8[rows]: 1 for a text that is not ASCII, left empty).

    ``bare``: punctuation to spaces too, as for decontamination.
    """
    xp, rows = door.xp, len(offsets) - 1
    data, offsets = door.array(data, np.uint8), door.array(offsets, I64)
    flags, out_offsets = door.full(rows, 0, np.uint8), door.full(rows + 1, 0, I64)
    first, last = (int(v) for v in door.numpy(offsets[[0, -1]]))
    base = first // 32 * 32
    blocks = -(-(last - base) // 32) if last > first else 0
    if not blocks:
        return door.empty(0, np.uint8), out_offsets, flags
    text = (data, offsets, I64(rows), I64(base), I64(blocks))
    defines = {"BARE": 1} if bare else None

    def run(kernel: str, threads: int, *args: Any) -> None:
        door.launch("normalise.cu", kernel, *across(threads), (*text, *args), defines)

    marks, counts = door.empty(blocks, np.uint32), door.empty(blocks, I64)
    run("flag_rows", blocks, flags)
    run("mark_kept", blocks, flags, marks, counts)
    ends = xp.cumsum(counts)
    places, total = door.array(ends - counts), int(ends[-1])
    before, extra = door.empty(rows + 1, I64), door.empty(rows, I64)
    run("row_ends", rows + 1, flags, marks, places, I64(total), before, extra)
    xp.cumsum(xp.diff(before) - extra, out=out_offsets[1:])
    out = door.empty(int(out_offsets[-1]), np.uint8)
    run("write_kept", blocks, marks, places, before, out_offsets, out)
    return out, out_offsets, flags
