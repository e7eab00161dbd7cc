"""What a gold table holds, whatever its regime: the ids of its documents, and their tokens."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def gold_ids(table: pa.Table) -> tuple[list[str], int]:
    """(ids of the records in the table, once each; tokens of all their sequences).

    Of a record that was split the first piece, ``id#1``, stands for it.
    """
    if "doc_ids" in table.schema.names:
        names = pc.list_flatten(table["doc_ids"]).to_pylist()
        ids = [name.removesuffix("#1") for name in names if "#" not in name or name.endswith("#1")]
        return ids, _tokens(table["input_ids"])
    columns = [name for name in table.schema.names if name.endswith("input_ids")]
    return table["id"].to_pylist(), sum(_tokens(table[name]) for name in columns)


def trained_tokens(table: pa.Table) -> int:
    """The tokens of a gold table that count in the loss."""
    masks = [name for name in table.schema.names if name.endswith("loss_mask")]
    return sum(pc.sum(pc.list_flatten(table[name])).as_py() or 0 for name in masks)


def _tokens(column: pa.ChunkedArray) -> int:
    return pc.sum(pc.list_value_length(column)).as_py() or 0
