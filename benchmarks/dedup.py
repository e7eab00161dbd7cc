"""Dedup beside its peers: sketches and their error, the whole job and who is right, truth, spans, growth.

    python -m benchmarks.dedup [--sketch] [--error] [--job] [--truth] [--decontaminate] [--growth] [--real]

Without a part, all of them; ``--quick`` makes everything tiny, to see that it runs, and records nothing.
The peers are Daft, rensa, datasketch, datatrove and text-dedup: pip install daft rensa datasketch
'datatrove[io]' text-dedup spacy 'xxhash<4' (datatrove's words are spaCy's, and it fails with xxhash 4).
One that is not installed, or fails, says so in its row. Results, every repetition included, go to
``benchmarks/results/<machine>/dedup.json``, part by part.
"""

from __future__ import annotations

import argparse

from benchmarks import (
    dedup_error,
    dedup_growth,
    dedup_hard,
    dedup_job,
    dedup_real,
    dedup_sketch,
    dedup_spans,
    dedup_truth,
)
from benchmarks.dedup_job_peers import JOBS
from benchmarks.dedup_sketch_peers import SKETCHERS
from benchmarks.launch import record
from toolkit.pipeline.processes import usable_cores

PEERS = ("daft", "rensa", "datasketch", "datatrove", "text-dedup", "spacy", "xxhash", "datasets")
PARTS = ("sketch", "error", "job", "truth", "decontaminate", "growth", "real")
QUICK = {
    "megabytes": 0.3, "repeat": 1, "texts": [2_000], "truth_texts": 3_000, "by_hand": 500, "scale": 0.002,
    "grams": 20_000, "pairs": 100, "sizes": [1_000, 2_000, 4_000, 8_000],
}  # fmt: skip


def main() -> None:
    """Run the parts that are asked for, print each, and record it."""
    options = _options()
    cores = max(options.cores)
    if options.sketch:
        k, counts = options.slots, tuple(options.cores)
        found = dedup_sketch.sketch(options.megabytes, k, counts, options.repeat, options.sketchers)
        _end(options, "sketch" if k == 128 else f"sketch, k = {k}", found, dedup_sketch.tables(found))
    if options.error:
        rows = dedup_error.error(options.pairs)
        _end(options, "error", rows, dedup_error.table(rows))
    if options.job:
        sizes = tuple(options.texts)
        jobs = dedup_job.job(sizes, cores, options.repeat, options.tools)
        name = "job" if len(sizes) > 1 else f"job, {sizes[0]:,} texts"
        _end(options, name, jobs, dedup_job.tables(jobs))
    if options.truth:
        facts = dedup_truth.truth(options.truth_texts, options.by_hand, cores)
        _end(options, "truth", facts, dedup_truth.table(facts))
        hard = dedup_hard.hard(options.scale, cores)
        _end(options, "hard", hard, dedup_hard.table(hard))
    if options.decontaminate:
        spans = dedup_spans.spans(options.megabytes, options.grams, options.repeat)
        _end(options, "decontaminate", spans, dedup_spans.table(spans))
    if options.growth:
        grown = dedup_growth.growth(tuple(options.sizes), cores, options.repeat)
        _end(options, "growth", grown, dedup_growth.tables(grown))
    if options.real:
        rows = dedup_real.real()
        _end(options, "real", rows, dedup_real.table(rows))


def _end(options: argparse.Namespace, part: str, found: object, shown: str) -> None:
    print(f"## {part}\n\n{shown}\n", flush=True)
    if not options.quick:
        record("dedup", part, found, PEERS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--quick", action="store_true", help="all of it tiny; records nothing")
    there = [count for count in (1, 2) if count <= usable_cores()]
    parser.add_argument("--cores", type=int, nargs="+", default=there)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--megabytes", type=float, default=50, help="of text of each length, to sketch, or search"
    )
    parser.add_argument("--slots", type=int, default=128, help="k of the sketches")
    parser.add_argument("--sketchers", nargs="+", choices=list(SKETCHERS), default=list(SKETCHERS))
    parser.add_argument("--texts", type=int, nargs="+", default=[100_000, 1_000_000], help="in the job")
    parser.add_argument("--tools", nargs="+", choices=list(JOBS), default=list(JOBS), help="in the job")
    parser.add_argument("--truth-texts", type=int, default=200_000)
    parser.add_argument("--by-hand", type=int, default=5_000, help="texts of which every pair is measured")
    parser.add_argument("--scale", type=float, default=1.0, help="of the hard cases")
    parser.add_argument("--grams", type=int, default=1_000_000, help="of the evaluation items")
    parser.add_argument("--pairs", type=int, default=3_000, help="of each similarity, for the error")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 100_000, 200_000, 400_000])
    options = parser.parse_args()
    if not any(getattr(options, part) for part in PARTS):
        for part in PARTS:
            setattr(options, part, True)
    if options.quick:
        vars(options).update(QUICK)
    return options


if __name__ == "__main__":
    main()
