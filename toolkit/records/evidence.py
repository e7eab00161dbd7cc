"""A removal, with what proves it: one schema for every stage that removes.

``method`` is ``exact``, ``near``, ``contaminated`` or ``filter:<rule>``; ``score`` was
measured and ``threshold`` is what it was held against, in the method's own unit. ``kept_*``
name the record that stays, where there is one. ``detail`` is JSON text: what is needed to
check the decision again (intersection and union, the shared span, the denied licence).

A stage may keep a record that it has something to say of: decontamination ``cut`` or ``flagged`` it,
packing ``truncated`` it (``tokens`` are those that went). Such evidence lies in a folder of that name
and counts as no removal.
"""

from __future__ import annotations

import pyarrow as pa

from toolkit.records.schema import ORIGIN

NOTED = {"decontaminate": ("cut", "flagged"), "packing": ("truncated",)}
EVIDENCE = pa.schema(
    [
        ("removed_id", pa.string()),
        ("removed_source", pa.string()),
        ("removed_origin", ORIGIN),
        ("regime", pa.string()),
        ("tokens", pa.int64()),
        ("method", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("kept_id", pa.string()),
        ("kept_source", pa.string()),
        ("kept_origin", ORIGIN),
        ("detail", pa.string()),
    ]
)


def evidence(removed: pa.Table, **columns: pa.Array | list) -> pa.Table:
    """Evidence for the rows of ``removed`` (canonical schema); columns not given are null."""
    table = {
        "removed_id": removed["id"],
        "removed_source": removed["source_id"],
        "removed_origin": removed["origin"],
        "regime": removed["regime"],
        "tokens": removed["token_estimate"].cast(pa.int64()),
        **columns,
    }
    arrays = [
        _typed(table[name], kind) if name in table else pa.nulls(len(removed), kind)
        for name, kind in zip(EVIDENCE.names, EVIDENCE.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=EVIDENCE)


def _typed(values: pa.Array | list, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)
