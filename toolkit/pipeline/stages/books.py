"""The books of a stage that only removes: rows before, rows after, and the evidence between."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.storage import Group, Ledger


def removal_ledger(
    stage: str, before: pa.Table, after: pa.Table, proof: pa.Table, size: str = "token_estimate"
) -> Ledger:
    """The books in tokens, checked; ``size`` is the column of ``before`` and ``after`` that counts them."""
    removed = {}
    for method in sorted(set(proof["method"].to_pylist())):
        removed[method] = _group(proof.filter(pc.equal(proof["method"], method)), "removed_id", "tokens")
    groups = [_group(table, "id", size) for table in (before, after)]
    return Ledger(stage, "tokens", *groups, removed=removed).check()


def _group(table: pa.Table, ids: str, size: str) -> Group:
    return Group.of(table[ids].to_pylist(), table[size].to_pylist())
