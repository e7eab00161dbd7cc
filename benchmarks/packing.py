"""Packing beside its peers, on the same lengths.

    python -m benchmarks.packing [--lengths [--packers ...]] [--truth] [--stage] [--tokenizer F] [--quick]

Without a part, all of them; ``--quick`` makes everything tiny, to see that it runs, and records nothing;
``--packers`` tries only these, and leaves the other rows as they were recorded.
The peers are TRL, axolotl, Megatron Bridge and LightBinPack: pip install trl lightbinpack 'torch==2.13.0',
then pip install --no-deps axolotl megatron-bridge (only their packing modules are imported, and those
need torch, numba and tqdm). One that is not installed, or fails, says so in its row. Results, every
repetition included, go to ``benchmarks/results/<machine>/packing.json``, part by part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import packing_lengths, packing_stage, packing_truth
from benchmarks.launch import record, recorded
from benchmarks.packing_peers import PACKERS

PEERS = ("trl", "datasets", "axolotl", "megatron-bridge", "lightbinpack", "torch")
PARTS = ("lengths", "truth", "stage")
QUICK = {"documents": 5_000, "repeat": 1, "limit": 20, "records": 1_000, "megabytes": [4, 8]}


def main() -> None:
    """Run the parts that are asked for, print each, and record it."""
    options = _options()
    if options.lengths:
        found = packing_lengths.lengths(options.documents, options.repeat, options.limit, options.packers)
        before = [] if options.quick else recorded("packing").get("lengths", {}).get("found", [])
        found = packing_lengths.merged(before, found)
        _end(options, "lengths", found, packing_lengths.tables(found))
    if options.truth:
        rows = packing_truth.truth(options.records, options.tokenizer)
        _end(options, "truth", rows, packing_truth.table(rows))
    if options.stage and options.tokenizer is not None:
        stage = packing_stage.stage(tuple(options.megabytes), options.tokenizer)
        _end(options, "stage", stage, packing_stage.table(stage))


def _end(options: argparse.Namespace, part: str, found: object, shown: str) -> None:
    print(f"## {part}\n\n{shown}\n", flush=True)
    if not options.quick:
        record("packing", part, found, PEERS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--quick", action="store_true", help="all of it tiny; records nothing")
    parser.add_argument("--documents", type=int, default=1_000_000, help="lengths of each distribution")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=int, default=300, help="seconds that one packing may take")
    parser.add_argument("--packers", nargs="+", choices=list(PACKERS), default=list(PACKERS), metavar="NAME")
    parser.add_argument("--records", type=int, default=100_000, help="of the dumps that are spelled out")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json, beside one that is trained")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 500, 2_000], help="of the stage")
    options = parser.parse_args()
    if not any(getattr(options, part) for part in PARTS):
        for part in PARTS:
            setattr(options, part, True)
    if options.quick:
        vars(options).update(QUICK)
    return options


if __name__ == "__main__":
    main()
