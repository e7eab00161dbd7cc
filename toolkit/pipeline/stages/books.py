"""The books of a stage that only removes: rows before, rows after, and the evidence between."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.kernels import text_buffers
from toolkit.kernels.json_lines import add_mod128, leading_u64
from toolkit.storage import Group, IdHash, Ledger


def removal_ledger(
    stage: str, before: pa.Table, after: pa.Table, proof: pa.Table, size: str = "token_estimate"
) -> Ledger:
    """The books in tokens, checked; ``size`` is the column of ``before`` and ``after`` that counts them."""
    removed = {}
    for method in sorted(set(proof["method"].to_pylist())):
        gone = proof.filter(pc.equal(proof["method"], method))
        removed[method] = group(gone["removed_id"], gone["tokens"])
    groups = [group(table["id"], table[size]) for table in (before, after)]
    return Ledger(stage, "tokens", *groups, removed=removed).check()


def group(ids: pa.ChunkedArray | pa.Array, sizes: pa.ChunkedArray | pa.Array) -> Group:
    """As ``Group.of``, of hex ids of 64 digits."""
    return Group(len(ids), pc.sum(sizes).as_py() or 0, IdHash(add_mod128(leading(ids))))


def leading(ids: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The first 128 bits of hex ids of 64 digits each, (high, low): uint64 (n, 2)."""
    data, offsets = text_buffers(ids)
    digits = data[offsets[0] : offsets[-1]].tobytes().decode()
    return leading_u64(np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, 32))
