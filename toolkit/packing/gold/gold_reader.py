"""Gold as a trainer wants it: any pack by its number, batches by (epoch, seed, rank, step).

A pack has one number over all parts, as the files lie. Everything a trainer asks follows from
numbers: a batch is some packs (``batches``), an epoch an order of all of them (``schedule``).

    reader = open_gold("lake/gold/sft")
    for batch in reader.batches(epoch=0, seed=7, rank=0, world_size=8, batch_size=4):
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.errors import RequestError
from toolkit.packing.gold.batches import Packs, flattened
from toolkit.packing.gold.decoded_parts import MEMORY, SIDES, DecodedParts
from toolkit.packing.gold.epochs import epoch_order
from toolkit.packing.gold.gold_parts import SCHEMAS, Gold, gold_parts
from toolkit.packing.gold.schedule import Order, Schedule
from toolkit.packing.tokens.canaries import check_canaries
from toolkit.packing.tokens.gather import gather
from toolkit.packing.tokens.tokenizer import load

_IDENTITY = {"id", "doc_ids", "doc_starts"}
Form = Callable[[Packs], dict[str, Any]]


def open_gold(
    folder: str | Path,
    verify: bool = False,
    cache: str | Path | None = None,
    memory: int = MEMORY,
    tokenizer: str | Path | None = None,
) -> GoldReader:
    """Open a folder of gold; ``verify``: compare every file's sha256 too. Errors as of ``gold_parts``.

    ``cache``: a folder on this machine for decoded parts; without it ``memory`` bytes of them are kept.
    ``tokenizer``: a tokenizer.json that must give the gold's canaries their ids, else RequestError; with
    ``verify`` that which lies in the lake, if there is one.
    """
    gold = gold_parts(folder, verify)
    beside = gold.folder.parent.parent / "tokenizer.json"
    if tokenizer is None and verify and beside.is_file() and "canaries" in gold.metadata:
        tokenizer = beside
    if tokenizer is not None:
        check_canaries(gold.metadata.get("canaries", "null"), load(tokenizer))
    return GoldReader(gold, Path(cache) if cache else None, memory)


class GoldReader:
    """The rows of a gold table, by number from 0: packs (sft), pairs (preference) or prompts (rl)."""

    def __init__(self, gold: Gold, cache: Path | None = None, memory: int = MEMORY) -> None:
        self.gold, self.decoded = gold, DecodedParts(gold, cache, memory)
        self._ends = np.cumsum([part.rows for part in gold.parts])

    @property
    def regime(self) -> str:
        """``sft``, ``preference`` or ``rl``."""
        return self.gold.regime

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the numbers mean: tokenizer, template, context, packing, versions (``with_metadata``)."""
        return self.gold.metadata

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __repr__(self) -> str:
        left = f", {len(self.gold.ignored)} files without a manifest ignored" if self.gold.ignored else ""
        return f"<gold {self.regime}: {len(self):,} rows in {len(self.gold.parts)} parts{left}>"

    def packs(self, indices: Sequence[int] | np.ndarray) -> Packs:
        """Read rows by number, in the order asked for. Of pairs: all chosen branches, then all rejected.

        Raises RequestError for a number outside the gold, and for rl, which has prompts.
        """
        if self.regime == "rl":
            raise RequestError(f"{self.gold.folder} holds rl prompts, and those are not packed: use rows().")
        tables, table_of, row = self._find(indices)

        def read(name: str) -> tuple[np.ndarray, np.ndarray]:
            parts = [gather(tables, table_of, row, side + name) for side in SIDES[self.regime]]
            values, lengths = zip(*parts, strict=True)
            return np.concatenate(values), np.concatenate(lengths)

        ids, lengths = read("input_ids")
        mask = read("loss_mask")[0].astype(np.bool_, copy=False)
        if self.regime == "preference":
            return Packs(ids, mask, lengths, np.ones(lengths.size, np.int64))
        return Packs(ids, mask, *read("seq_lens"))

    def rows(self, indices: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        """Read whole rows as Python's values, identity included: for looking, and for rl's prompts."""
        tables, table_of, row = self._find(indices)
        return [tables[number].slice(at, 1).to_pylist()[0] for number, at in _places(table_of, row)]

    def arrays(self, indices: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        """Read what is trained of each row: lists as arrays (int32, bool), ``prompt_tokens`` as an int."""
        tables, table_of, row = self._find(indices)
        names = [name for name in SCHEMAS[self.regime].names if name not in _IDENTITY]
        found = [[tables[number][name][at] for name in names] for number, at in _places(table_of, row)]
        return [dict(zip(names, map(_value, values), strict=True)) for values in found]

    def batch(self, indices: Sequence[int] | np.ndarray, form: Form = flattened) -> Any:
        """Read rows as a batch: ``form`` of their packs (``flattened``, ``padded``, or a partial of it).

        Preference: 2 B sequences, the chosen ones first, and ``prompt_tokens``, int64 [B].
        rl: the rows, as ``rows`` gives them.
        """
        if self.regime == "rl":
            return self.rows(indices)
        batch = form(self.packs(indices))
        if self.regime == "preference":
            tables, table_of, row = self._find(indices)
            prompts = [tables[number]["prompt_tokens"][at].as_py() for number, at in _places(table_of, row)]
            batch["prompt_tokens"] = np.array(prompts, np.int64)
        return batch

    def schedule(
        self,
        batch_size: int,
        world_size: int = 1,
        seed: int = 0,
        remainder: str = "drop",
        order: Order = epoch_order,
    ) -> Schedule:
        """Return who reads what when, for this gold (``Schedule``)."""
        return Schedule(len(self), batch_size, world_size, seed, remainder, order)

    def batches(
        self,
        epoch: int = 0,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        batch_size: int = 1,
        start_step: int = 0,
        remainder: str = "drop",
        order: Order = epoch_order,
        form: Form = flattened,
    ) -> Iterator[Any]:
        """Iterate over one rank's batches of an epoch, from ``start_step`` on.

        Every rank makes ``schedule(...).steps`` steps. Which packs a step takes is a function of the
        arguments alone, so a restart at a step gives the batches that were still to come. What is left
        over by whole steps: see ``Schedule``; ``schedule(...).left_out(epoch)`` names it.
        """
        schedule = self.schedule(batch_size, world_size, seed, remainder, order)
        if not 0 <= start_step <= schedule.steps:
            raise RequestError(f"start_step must be in 0 .. {schedule.steps}, found {start_step}.")
        steps = range(start_step, schedule.steps)
        return (self.batch(schedule.take(epoch, step, rank), form) for step in steps)

    def _find(self, indices: Sequence[int] | np.ndarray) -> tuple[list[pa.Table], np.ndarray, np.ndarray]:
        """Tables of the parts that are needed, and for each index which of them and the row in it."""
        indices = np.asarray(indices, dtype=np.int64)
        bad = indices[(indices < 0) | (indices >= len(self))]
        if bad.size:
            raise RequestError(f"row {bad[0]} was asked for and this gold has rows 0 .. {len(self) - 1}.")
        part_of = np.searchsorted(self._ends, indices, side="right")
        used, table_of = np.unique(part_of, return_inverse=True)
        firsts = np.array([0, *self._ends[:-1]])
        return [self.decoded.table(int(number)) for number in used], table_of, indices - firsts[part_of]


def _places(table_of: np.ndarray, row: np.ndarray) -> Iterator[tuple[int, int]]:
    return zip(table_of.tolist(), row.tolist(), strict=True)


def _value(scalar: pa.Scalar) -> Any:
    if pa.types.is_list(scalar.type):
        return scalar.values.to_numpy(zero_copy_only=False)
    return scalar.as_py()
