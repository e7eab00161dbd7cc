"""What a gold table holds, whatever its regime: the ids of its documents, and their tokens."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def gold_ids(table: pa.Table) -> tuple[list[str], int]:
    """(ids of the records in the table, once each; tokens of all their sequences)."""
    if "doc_ids" in table.schema.names:
        return pc.list_flatten(table["doc_ids"]).to_pylist(), _tokens(table["input_ids"])
    columns = [name for name in table.schema.names if name.endswith("input_ids")]
    return table["id"].to_pylist(), sum(_tokens(table[name]) for name in columns)


def _tokens(column: pa.ChunkedArray) -> int:
    return pc.sum(pc.list_value_length(column)).as_py() or 0
