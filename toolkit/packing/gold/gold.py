"""Gold tables: what a trainer reads, one schema a regime.

sft is packed: one row a pack, its documents end to end, with the lengths and names that tell them
apart. preference keeps one row a pair, so the two branches can never part. rl keeps one row a
prompt with its verifier, unpacked, because a rollout decides how long it gets.

    pack k = documents order[starts[k] : starts[k + 1]], by their index in the input

Packs are built a range at a time from token tables that stay where they are (memory-mapped), so
memory is that of one part. A gold file says in its metadata what its numbers mean: tokenizer,
template, versions, context and packing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.packing.chat.template import Template
from toolkit.packing.tokens.bits import to_arrow
from toolkit.packing.tokens.canaries import canaries
from toolkit.packing.tokens.gather import gather, gather_text, list_offsets
from toolkit.packing.tokens.tokenizer import Pinned
from toolkit.records.schema import CANONICAL

_IDS, _MASK = pa.list_(pa.int32()), pa.list_(pa.bool_())
GOLD_SFT = pa.schema(
    [
        ("input_ids", _IDS),
        ("loss_mask", _MASK),
        ("seq_lens", pa.list_(pa.int32())),  # tokens of each document, in the pack's order
        ("doc_ids", pa.list_(pa.string())),
        ("doc_starts", pa.list_(pa.int32())),  # where each begins in the pack; the first at 0
    ]
)
GOLD_PREFERENCE = pa.schema(
    [
        ("id", pa.string()),
        ("prompt_tokens", pa.int32()),  # the first tokens of both branches, never trained
        ("chosen_input_ids", _IDS),
        ("chosen_loss_mask", _MASK),
        ("rejected_input_ids", _IDS),
        ("rejected_loss_mask", _MASK),
    ]
)
GOLD_RL = pa.schema(
    [
        ("id", pa.string()),
        CANONICAL.field("prompt"),
        ("input_ids", _IDS),
        CANONICAL.field("answer"),
        CANONICAL.field("verifier"),
        CANONICAL.field("difficulty"),
    ]
)
_LIBRARIES = ("jinja2", "numba", "numpy", "pyarrow", "tokenizers", "toolkit")


def pack_order(packs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the documents in gold order, int64 [n], and where each pack starts in it, int64 [packs + 1].

    ``packs``: int64 [n], pack of each document, 0 .. packs - 1. Within a pack: by index.
    """
    order = np.argsort(packs, kind="stable")
    count = int(packs.max()) + 1 if packs.size else 0
    return order, np.searchsorted(packs[order], np.arange(count + 1))


def pack_table(
    tables: Sequence[pa.Table], which_table: np.ndarray, which_row: np.ndarray, starts: np.ndarray
) -> pa.Table:
    """Build the gold rows (``GOLD_SFT``) of a range of packs.

    Document i is row ``which_row[i]`` of ``tables[which_table[i]]`` (tables like ``ENCODED``); pack k
    holds the documents ``starts[k] .. starts[k + 1]``, in that order (``starts``: int [packs + 1]; the
    documents given are counted from ``starts[0]``, so a slice of ``pack_order``'s serves).
    """
    ids, lengths = gather(tables, which_table, which_row, "input_ids")
    mask, mask_lengths = gather(tables, which_table, which_row, "loss_mask")
    if not np.array_equal(lengths, mask_lengths):
        raise ValueError("input_ids and loss_mask differ in length")
    return packed_table(ids, mask, gather_text(tables, which_table, which_row), lengths, starts)


def packed_table(
    ids: np.ndarray, mask: np.ndarray, names: pa.Array, lengths: np.ndarray, starts: np.ndarray
) -> pa.Table:
    """Build the gold rows (``GOLD_SFT``) of documents that lie end to end: see ``pack_table``.

    ``ids`` int32 and ``mask`` bool [tokens], ``names`` string and ``lengths`` int64 [documents].
    """
    starts = np.asarray(starts, dtype=np.int64) - starts[0]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    in_pack = ends[:-1] - np.repeat(ends[starts[:-1]], np.diff(starts))
    tokens, documents = list_offsets(np.diff(ends[starts])), list_offsets(np.diff(starts))
    columns = [
        _list(tokens, ids),
        _list(tokens, mask),
        _list(documents, lengths.astype(np.int32)),
        pa.ListArray.from_arrays(documents, names),
        _list(documents, in_pack.astype(np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=GOLD_SFT)


def _list(offsets: pa.Array, values: np.ndarray) -> pa.ListArray:
    return pa.ListArray.from_arrays(offsets, to_arrow(values))


def preference_table(encoded: pa.Table) -> pa.Table:
    """Take the preference rows of ``encoded`` as ``GOLD_PREFERENCE``, one row a pair, in order."""
    return encoded.filter(pc.equal(encoded["regime"], "preference")).select(GOLD_PREFERENCE.names)


def rl_table(records: pa.Table, encoded: pa.Table) -> pa.Table:
    """Join the rl rows of ``encoded`` with their records (``CANONICAL``, by ``row``) as ``GOLD_RL``."""
    rows = encoded.filter(pc.equal(encoded["regime"], "rl"))
    kept = ["id", "prompt", "answer", "verifier", "difficulty"]
    table = records.select(kept).take(rows["row"].combine_chunks())
    return table.append_column("input_ids", rows["input_ids"]).select(GOLD_RL.names).cast(GOLD_RL)


def with_metadata(
    table: pa.Table, pinned: Pinned, context: int, packing: Mapping[str, object], template: Template
) -> pa.Table:
    """Return the table with what its numbers mean in the schema's metadata.

    Keys: ``tokenizer_sha256`` (file as given), ``tokenizer_used_sha256`` (``Pinned.to_bytes``),
    ``chat_template_sha256`` (``Template.sha256``), ``canaries`` (texts and their ids), ``context``
    (tokens), ``packing`` and ``versions`` (JSON, sorted keys).
    """
    return table.replace_schema_metadata(
        {
            "tokenizer_sha256": pinned.sha256,
            "tokenizer_used_sha256": pinned.used_sha256,
            "chat_template_sha256": template.sha256,
            "canaries": canaries(pinned),
            "context": str(context),
            "packing": json.dumps(packing, sort_keys=True),
            "versions": json.dumps({name: version(name) for name in _LIBRARIES}, sort_keys=True),
        }
    )
