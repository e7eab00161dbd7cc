"""Decoded gold parts, kept while they are wanted: in memory, or as files that are mapped.

Shuffled packs come from anywhere, and a Parquet part can only be decoded as a whole (some millions
of tokens, a fraction of a second). So a decoded part is kept. In memory: the latest used, up to a
number of bytes. Or with a cache folder: as uncompressed Arrow files, written once and mapped by all
processes of the machine. Gold that is shuffled and larger than memory wants the second: it costs
somewhat over 4 bytes a token of disk, and every pack is then a few page reads away.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import ToolkitError
from toolkit.packing.gold.batches import Packs
from toolkit.packing.gold.gold_parts import SCHEMAS, Gold, Part
from toolkit.packing.tokens.gather import gather
from toolkit.storage import read_ipc, read_parquet, write_ipc

MEMORY = 1 << 30
SIDES = {"sft": ("",), "preference": ("chosen_", "rejected_"), "rl": ()}


class DecodedParts:
    """Parts of gold as tables, by number. Copies to other processes start empty."""

    def __init__(self, gold: Gold, cache: Path | None = None, memory: int = MEMORY) -> None:
        self.gold, self.cache, self.memory = gold, cache, memory
        self._tables: dict[int, pa.Table] = {}
        self._gone: set[int] = set()
        self._said = False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_tables": {}}

    def table(self, number: int) -> pa.Table:
        """Decode or map a part; in memory, the one used longest ago goes when ``memory`` is full.

        Raises ToolkitError for a part that is damaged or whose lengths contradict each other.
        """
        if number in self._tables:
            self._tables[number] = self._tables.pop(number)  # now the latest used
            return self._tables[number]
        part, regime = self.gold.parts[number], self.gold.regime
        self._say_if_again(number)
        if self.cache:
            self._tables[number] = _mapped(part, regime, self.cache)
            return self._tables[number]
        self._tables[number] = table = _decode(part, regime)
        while len(self._tables) > 1 and sum(t.nbytes for t in self._tables.values()) > self.memory:
            gone = next(iter(self._tables))
            del self._tables[gone]
            self._gone.add(gone)
        return table

    def _say_if_again(self, number: int) -> None:
        if number in self._gone and not self._said:
            self._said = True
            warnings.warn(
                f"{self.gold.folder} is more than memory={self.memory:,} bytes, so parts are decoded again "
                "and again: open_gold(..., cache=FOLDER) decodes each once, onto a local disk.",
                stacklevel=2,
            )


def _mapped(part: Part, regime: str, cache: Path) -> pa.Table:
    """Map the part from the cache, where its sha256 is its name; write it there first if need be."""
    path = cache / f"{part.sha256}.arrow"
    if not path.exists():
        write_ipc(path, _decode(part, regime))
    try:
        table = read_ipc(path)
    except (OSError, pa.ArrowException) as error:
        raise ToolkitError(
            f"{path} is damaged: {error}. Delete it; it is made again from {part.path}."
        ) from None
    if table.num_rows != part.rows:
        raise ToolkitError(f"{path} is not what {part.path} holds. Delete it; it is made again.")
    return table


def _decode(part: Part, regime: str) -> pa.Table:
    """Decode a part and prove that its packs hold together."""
    try:
        table = read_parquet(part.path, SCHEMAS[regime].names).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise ToolkitError(f"{part.path}: cannot be decoded: {error}. Copy it again.") from None
    for side in SIDES[regime]:
        bad = _inconsistent(table, side)
        if bad.any():
            raise ToolkitError(
                f"{part.path}, row {np.flatnonzero(bad)[0]}: input_ids, loss_mask and the lengths of the "
                "documents disagree: it is no gold of this toolkit. Run the lake again."
            )
    return table


def _inconsistent(table: pa.Table, side: str) -> np.ndarray:
    """Which rows have a mask, or documents, that do not add up to their tokens: bool [rows]."""
    tokens, masked = _lengths(table, f"{side}input_ids"), _lengths(table, f"{side}loss_mask")
    bad = (tokens != masked) | (tokens < 1)
    if "seq_lens" in table.schema.names:
        rows = np.arange(len(table))
        lens, documents = gather([table], rows * 0, rows, "seq_lens")
        bad |= Packs(lens, lens, lens, documents).tokens != tokens
        bad[np.repeat(rows, documents)[lens < 1]] = True
    return bad


def _lengths(table: pa.Table, name: str) -> np.ndarray:
    """Length of each list, int64 [rows]; -1 for all where any list or element is null."""
    column = table[name]
    if column.null_count or any(chunk.flatten().null_count for chunk in column.chunks):
        return np.full(len(table), -1)
    return pc.list_value_length(column).to_numpy().astype(np.int64)
