"""Known answers through a door: a card's kernels against the digests that the CPU's are held to."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from toolkit.errors import GateError
from toolkit.kernels.buffers import text_buffers
from toolkit.kernels.cuda.bands import band_keys
from toolkit.kernels.cuda.rounds import rounds
from toolkit.kernels.cuda.sets import identities
from toolkit.kernels.cuda.sketch import minhash
from toolkit.kernels.cuda.words import word_table
from toolkit.kernels.known import DIGESTS, TEXTS, digest


def found(door: Any) -> dict[str, str]:
    """Return the digest of each hashing kernel on ``known.TEXTS``, under the names of ``known.DIGESTS``."""
    data, offsets = text_buffers(pa.array(TEXTS, pa.large_string()))

    def of(*arrays: Any) -> str:
        return digest(*(door.numpy(array) for array in arrays))

    answers = {"words": of(*word_table(door, data, offsets))}
    for unit, n in (("word", 3), ("byte", 8)):
        answers[f"{unit}_shingles"] = of(*identities(door, data, offsets, unit, n))
        answers[f"{unit}_rounds"] = of(rounds(door, data, offsets, unit, n, 12, 1))
        signatures = minhash(door, data, offsets, unit, n, 12, 1)
        answers[f"{unit}_sketch"] = of(signatures)
    return answers | {"band_keys": of(band_keys(door, signatures, 4, 3))}


def known_answer(door: Any) -> bool:
    """Run every hashing kernel through the door: True, or GateError naming the first that differs."""
    for name, answer in found(door).items():
        if answer != DIGESTS[name]:
            raise GateError(
                f"kernel {name} gives {answer} on {door.name}, expected {DIGESTS[name]}: "
                "do not use this device; TOOLKIT_DEVICE=cpu goes without it"
            )
    return True
