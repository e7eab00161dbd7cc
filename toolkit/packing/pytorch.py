"""Gold for PyTorch: a stream of ready batches, a table of packs, and a collator.

    from toolkit.packing.pytorch import GoldStream
    stream = GoldStream(open_gold("lake/gold/sft"), batch_size=4, seed=7, epochs=3)
    for batch in DataLoader(stream, batch_size=None, num_workers=2):
        ...

``GoldStream`` deals itself out to ranks and workers: the loader gives the same batches in the same
order for any number of workers. Its place is one number, the global step, so it resumes anywhere.
``GoldTable`` and ``GoldCollator`` are for trainers that sample and shard by themselves.

Importing this module needs the extra ``torch``; nothing else in the toolkit imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.errors import MissingExtra, RequestError
from toolkit.packing.gold.batches import flattened, packs_of_rows
from toolkit.packing.gold.epochs import epoch_order
from toolkit.packing.gold.gold_reader import Form, GoldReader
from toolkit.packing.gold.schedule import Order
from toolkit.storage import digest_json

try:
    import torch
    from torch.utils.data import Dataset, IterableDataset, get_worker_info
except ImportError:
    raise MissingExtra("toolkit.packing.pytorch", "torch") from None


def as_tensors(batch: Mapping[str, Any], transformers: bool = False) -> dict[str, Any]:
    """Turn a batch's arrays into tensors, without a copy; other values stay.

    ``transformers``: boundaries under the names that its models take (``cu_seq_lens_q``,
    ``cu_seq_lens_k``, ``max_length_q``, ``max_length_k``), and ``use_cache`` False: with a cache, which is
    their default outside Trainer, attention other than flash looks across all boundaries.
    """
    out = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in batch.items()}
    if transformers:
        ends, longest = out.pop("cu_seqlens"), out.pop("max_seqlen")
        out |= {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends}
        out |= {"max_length_q": longest, "max_length_k": longest, "use_cache": False}
    return out


class GoldStream(IterableDataset):
    """One rank's batches of a whole run, ``epochs`` epochs one after another, as dicts of tensors.

    For ``DataLoader(stream, batch_size=None)``. ``rank`` and ``world_size`` come from torch.distributed
    where it is initialised, else 0 and 1. The global step counts through all epochs; ``start_step`` is
    the first to be given. ``remainder``, ``order``: as ``Schedule``; ``form``: ``flattened`` or ``padded``.
    """

    def __init__(
        self,
        reader: GoldReader,
        batch_size: int,
        seed: int = 0,
        epochs: int = 1,
        rank: int | None = None,
        world_size: int | None = None,
        start_step: int = 0,
        remainder: str = "drop",
        order: Order = epoch_order,
        form: Form = flattened,
        transformers: bool = False,
    ) -> None:
        if epochs < 1:
            raise RequestError(f"epochs must be at least 1, found {epochs}.")
        self.reader, self.epochs, self.form, self.transformers = reader, epochs, form, transformers
        self.rank, self.world_size = _place(rank, world_size)
        self.schedule = reader.schedule(batch_size, self.world_size, seed, remainder, order)
        self.schedule.take(0, 0, self.rank)  # a rank that does not exist is refused here, not in a worker
        self.start_step = self._next = self._checked(start_step)
        self._loaded = self._saved = (0, 0)  # (worker, workers) that start_step and _next count for

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, all epochs."""
        return self.epochs * self.schedule.steps

    def __len__(self) -> int:
        return max(0, self.total_steps - self.start_step)

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        mine = (info.id, info.num_workers) if info else (0, 0)
        stride = max(1, mine[1])
        for step in range(self._first(mine), self.total_steps, stride):
            self._next, self._saved = step + stride, mine
            epoch, within = divmod(step, self.schedule.steps)
            found = self.reader.batch(self.schedule.take(epoch, within, self.rank), self.form)
            yield as_tensors(found, self.transformers) if isinstance(found, dict) else found

    def _first(self, mine: tuple[int, int]) -> int:
        """The first step that this worker makes: workers take steps in turn."""
        if self._loaded == (0, 0):
            return self.start_step + mine[0]
        if self._loaded != mine:
            raise RequestError(
                f"this state is of worker {self._loaded[0]} of {self._loaded[1]} and was loaded in worker "
                f"{mine[0]} of {mine[1]}: use as many workers as before, or give start_step instead."
            )
        return self.start_step

    def state_dict(self, step: int | None = None) -> dict[str, Any]:
        """Where the stream is. Plain values.

        With a plain DataLoader that has workers, this copy does not see how far they are: say how many
        ``step`` were trained. torchdata's StatefulDataLoader asks each worker by itself.
        """
        at, (worker, workers) = (self._next, self._saved) if step is None else (self._checked(step), (0, 0))
        return {"step": at, "worker": worker, "workers": workers} | self._run()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``. Raises RequestError if it is of other gold, or another run's."""
        for name, mine in self._run().items():
            if state.get(name) != mine:
                raise RequestError(
                    f"this state was saved with {name} = {state.get(name)} and the stream has {mine}: its "
                    "steps would be other packs. Make the stream as it was, or start anew without a state."
                )
        self.start_step = self._next = self._checked(int(state["step"]), int(state["workers"]))
        self._loaded = self._saved = (int(state["worker"]), int(state["workers"]))

    def _run(self) -> dict[str, Any]:
        """What decides which packs a step takes; as many ranks of larger batches may change places."""
        s = self.schedule
        named = {"seed": s.seed, "global_batch": s.global_batch, "remainder": s.remainder}
        order = digest_json(s.order_of(0)[:64].tolist())
        return {"gold": self.reader.gold.digest, **named, "order": order}

    def _checked(self, step: int, beyond: int = 0) -> int:
        if not 0 <= step <= self.total_steps + beyond:
            raise RequestError(f"step must be in 0 .. {self.total_steps}, found {step}.")
        return step


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if (rank is None) != (world_size is None):
        raise RequestError("rank and world_size go together: give both, or neither.")
    if rank is not None:
        return rank, world_size
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class GoldTable(Dataset):
    """Packs (sft) or pairs (preference) by number, as rows for a ``GoldCollator``.

    For trainers that shuffle, shard and resume by themselves.
    """

    def __init__(self, reader: GoldReader) -> None:
        if reader.regime == "rl":
            raise RequestError(f"{reader.gold.folder} holds rl prompts: use GoldReader.rows, or GoldStream.")
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return self.reader.arrays(indices)


class GoldCollator:
    """Make a batch of gold rows, from a ``GoldTable`` or from ``datasets`` (``with_format("numpy")``).

    ``form``: ``flattened`` or ``padded``. ``transformers``: names as its models take them, for Trainer
    (which needs ``remove_unused_columns=False``, or it takes the mask away).
    """

    def __init__(self, form: Form = flattened, transformers: bool = False) -> None:
        self.form, self.transformers = form, transformers

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make the batch of these rows; errors as of ``packs_of_rows``."""
        batch = as_tensors(self.form(packs_of_rows(rows)), self.transformers)
        if rows and "prompt_tokens" in rows[0]:
            batch["prompt_tokens"] = torch.tensor([int(row["prompt_tokens"]) for row in rows])
        return batch
