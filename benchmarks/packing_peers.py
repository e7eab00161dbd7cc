"""Every contestant in lengths to packs, and the process that one of them is timed in.

    python -m benchmarks.packing_peers NAME lengths.npy CAPACITY LIMIT out.json

A contestant gets the lengths in the form it likes best, made before the clock starts, and is called once
on a few of them first, so that importing and compiling are not counted. It returns its packs as one array
of documents and where each pack starts in it; one that does not say which document went where returns
lengths in their place (``named`` is False): what it writes holds no document's name either. Whatever is
returned is checked: every length there, none twice, none of the packs over capacity.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import files
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from toolkit import packing

Call = Callable[[], Any]
BUFFER = 16_384
MEMORY = 12 << 30  # bytes a contestant may ask for: one that wants more fails, and takes no other with it


@dataclass(frozen=True)
class Packer:
    """``prepare(lengths, capacity)`` gives the call that is timed; ``packs`` reads what it returned."""

    package: str
    does: str
    prepare: Callable[[np.ndarray, int], Call]
    packs: Callable[[Any], tuple[np.ndarray, np.ndarray]]
    named: bool = True


def _numbers(pack_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return packing.pack_order(pack_of)


def _lists(packs: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    flat = np.fromiter(chain.from_iterable(packs), np.int64)
    return flat, np.concatenate([[0], np.cumsum([len(pack) for pack in packs])])


def _ours(method: str) -> Callable[[np.ndarray, int], Call]:
    return lambda lengths, capacity: lambda: packing.pack(lengths, capacity, method)


def _stream(lengths: np.ndarray, capacity: int) -> Call:
    batches = np.array_split(lengths, max(1, lengths.size // 10_000))
    return lambda: list(packing.pack_stream(batches, capacity, BUFFER))


def _closed(parts: list[packing.Closed]) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.concatenate([np.diff(part.starts) for part in parts])
    documents = np.concatenate([part.documents for part in parts])
    return documents, np.concatenate([[0], np.cumsum(sizes)])


def _trl(whole: bool) -> Callable[[np.ndarray, int], Call]:
    """Lists of nulls, which have lengths and no tokens: what copying tokens costs is left out."""

    def prepare(lengths: np.ndarray, capacity: int) -> Call:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        from datasets import Dataset
        from trl import pack_dataset

        ends = np.concatenate([[0], np.cumsum(lengths)])
        large = ends[-1] > np.iinfo(np.int32).max
        kind, dtype = (pa.LargeListArray, np.int64) if large else (pa.ListArray, np.int32)
        rows = Dataset(pa.table({"input_ids": kind.from_arrays(ends.astype(dtype), pa.nulls(int(ends[-1])))}))
        options = {"batch_size": len(rows)} if whole else {}
        return lambda: pack_dataset(rows, capacity, map_kwargs=options)

    return prepare


def _trl_lengths(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    column = rows.data.column("seq_lengths").combine_chunks()
    return column.flatten().to_numpy().astype(np.int64), column.offsets.to_numpy().astype(np.int64)


def _axolotl(lengths: np.ndarray, capacity: int) -> Call:
    from axolotl.utils.samplers.multipack import pack_parallel

    return lambda: pack_parallel(lengths, capacity, group_size=100_000, bin_size=200, num_processes=1)


def _megatron(lengths: np.ndarray, capacity: int) -> Call:
    """Its packing module alone: the package imports a GPU stack."""
    path = next(f.locate() for f in files("megatron-bridge") or () if f.name == "packing_utils.py")
    spec = importlib.util.spec_from_file_location("packing_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    np.random.seed(0)
    given = lengths.tolist()
    return lambda: module.first_fit_shuffle(given, capacity)


def _shuffled(lengths: np.ndarray, capacity: int) -> Call:
    def call() -> np.ndarray:
        order = np.random.default_rng(0).permutation(lengths.size)
        packs = np.empty(lengths.size, np.int64)
        packs[order] = _first_fit(lengths[order], capacity)
        return packs

    return call


@njit
def _first_fit(lengths, capacity):
    """Each into the earliest pack with room: a tree over the packs, the most room below each node."""
    leaves = 1
    while leaves < lengths.size:
        leaves *= 2
    most = np.full(2 * leaves, capacity, np.int64)
    packs = np.empty(lengths.size, np.int64)
    for i in range(lengths.size):
        node = 1
        while node < leaves:
            node = 2 * node if most[2 * node] >= lengths[i] else 2 * node + 1
        packs[i] = node - leaves
        most[node] -= lengths[i]
        while node > 1:
            node //= 2
            most[node] = max(most[2 * node], most[2 * node + 1])
    return packs


def _lightbinpack(function: str) -> Callable[[np.ndarray, int], Call]:
    def prepare(lengths: np.ndarray, capacity: int) -> Call:
        import lightbinpack

        given = lengths.tolist()
        return lambda: getattr(lightbinpack, function)(given, capacity)

    return prepare


PACKERS = {
    "toolkit": Packer("toolkit", "best fit, or first fit where fewer", _ours("fewest"), _numbers),
    "toolkit best fit": Packer("toolkit", "decreasing, global", _ours("best_fit_decreasing"), _numbers),
    "toolkit first fit": Packer("toolkit", "decreasing, global", _ours("first_fit_decreasing"), _numbers),
    "toolkit balanced": Packer("toolkit", "even in sum of squares", _ours("balanced"), _numbers),
    "toolkit stream": Packer("toolkit", f"a buffer of {BUFFER:,} documents", _stream, _closed),
    "toolkit next fit": Packer("toolkit", "in order, one pack open", _ours("next_fit"), _numbers),
    "TRL": Packer("trl", "pack_dataset: windows of 1,000", _trl(False), _trl_lengths, named=False),
    "TRL, one window": Packer("trl", "one window of all rows", _trl(True), _trl_lengths, named=False),
    "axolotl": Packer("axolotl", "first fit in groups of 100,000", _axolotl, _lists),
    "LightBinPack": Packer("lightbinpack", "obfd", _lightbinpack("obfd"), _lists),
    "LightBinPack first fit": Packer("lightbinpack", "ffd", _lightbinpack("ffd"), _lists),
    "Megatron Bridge": Packer("megatron-bridge", "its first_fit_shuffle", _megatron, _lists, named=False),
    "first fit, shuffled": Packer("toolkit", "Megatron's rule, written here", _shuffled, _numbers),
}  # fmt: skip


def measure(lengths: np.ndarray, capacity: int, packer: Packer, result: Any) -> dict[str, Any]:
    """What a packing is worth: ``packs``, the percentiles of its sums of squares, and its faults."""
    values, starts = packer.packs(result)
    values, starts = np.asarray(values, np.int64), np.asarray(starts, np.int64)
    tokens = lengths[values] if packer.named else values
    used = np.add.reduceat(tokens, starts[:-1])
    squares = np.add.reduceat(tokens.astype(np.float64) ** 2, starts[:-1])
    low, high = np.percentile(squares, [1, 99])
    whole = np.arange(lengths.size) if packer.named else np.sort(lengths)
    return {
        "packs": int(starts.size - 1),
        "p1": float(low),
        "p99": float(high),
        "named": int(np.unique(values).size) if packer.named else 0,
        "whole": bool(np.array_equal(np.sort(values), whole)),
        "over_capacity": int((used > capacity).sum()),
    }


def main() -> None:
    """Time one contestant once and write down what it cost and what its packs are worth."""
    name, path, capacity, limit, out = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    packer, lengths = PACKERS[name], np.load(path)
    packer.prepare(lengths[:500], int(capacity))()
    call = packer.prepare(lengths, int(capacity))
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(limit))
    try:
        start = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
        signal.alarm(0)
        found = {"packing": seconds} | measure(lengths, int(capacity), packer, result)
    except TimeoutError:
        found = {"lacks": f"over {limit} s"}
    Path(out).write_text(json.dumps(found))


def _too_long(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
