"""What a card does: the CPU's bits from every kernel, each one's time against its own bound, whole jobs.

    python -m benchmarks.gpu [--quick] [--parity] [--kernels] [--sketch] [--job] [--budget] [--out FILE]

All parts take under eight minutes; ``--quick`` takes one and records nothing. Each part has its time, and
what that is too short for is named. Beside ours stand cuDF and datasketch's CuPy path where they are
installed (pip install cudf-cu13 datasketch). Results, every repetition included, go to
``benchmarks/results/<card>/gpu.json``, part by part. Without a card it says so, prints the last results,
and with ``--host`` compares the kernels through the host header.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import gpu_card, gpu_job, gpu_kernels, gpu_parity, gpu_sketch, launch
from benchmarks.pipeline import RESULTS
from toolkit.errors import RequestError
from toolkit.kernels.cuda import Cuda, Host

PEERS = ("cupy-cuda13x", "cupy-cuda12x", "cudf-cu13", "cudf-cu12", "datasketch", "dask-cuda")
SHARES = {"parity": 0.22, "kernels": 0.28, "sketch": 0.16, "job": 0.2, "budget": 0.1}  # of all the time
QUICK = {"megabytes": 16.0, "repeat": 3, "gigabytes": 0.05, "minutes": 1.0, "memory": 10_000_000}
ROOM = 100  # bytes of the card's memory for a byte of text, where a kernel sorts
Parts = dict[str, Any]


def main() -> None:
    """Run what is asked for on the card that is here, print it, and record it."""
    options = _options()
    os.environ["TOOLKIT_DEVICE"] = "cpu"  # of what is expected; processes that are started are told otherwise
    try:
        door = Cuda()
    except RequestError as reason:
        return _without(str(reason), options.host)
    card = gpu_card.describe(door)
    parts: Parts = {"card": card}
    clock = time.perf_counter()
    chosen = [name for name in SHARES if getattr(options, name)]
    for name in chosen:
        clock = max(clock, time.perf_counter()) + 60 * options.minutes * SHARES[name] / sum(
            SHARES[n] for n in chosen
        )
        found = MEASURES[name](door, card, parts, options, clock)
        parts[name] = found
        print(f"## {name}\n\n{TABLES[name](parts)}\n", flush=True)
        if not options.quick:
            launch.record("gpu", name, found, PEERS, card)
        if options.out:
            options.out.write_text(json.dumps(parts, indent=1) + "\n")
    print(launch.markdown([("asked of an H100", "found"), *verdicts(parts)]))
    return None


def _without(reason: str, host: bool) -> None:
    print(f"no card to measure: {reason}")
    if host:
        rows = gpu_parity.parity(Host(), small=True)
        print(f"\n## parity through the host header\n\n{gpu_parity.table(rows)}")
        if failed := gpu_parity.failed(rows):
            sys.exit(f"not the CPU's bits: {', '.join(failed)}")
    recorded = sorted(RESULTS.glob("*/gpu.json"))
    if not recorded:
        print("\nNo results of any card are recorded: every figure of one is still missing.")
    for path in recorded:
        print(f"\n# as recorded in {path.relative_to(launch.REPO)}\n\n{told(json.loads(path.read_text()))}")


def told(whole: dict[str, Any]) -> str:
    """What was recorded of a card, as tables."""
    parts = {name: part["found"] for name, part in whole.items()}
    parts["card"] = next(iter(whole.values()))["machine"]["device"]
    shown = [
        f"## {name} ({whole[name]['command']})\n\n{TABLES[name](parts)}" for name in TABLES if name in parts
    ]
    return "\n\n".join([*shown, launch.markdown([("asked of an H100", "found"), *verdicts(parts)])])


def _parity(door: Any, card: Any, parts: Parts, options: argparse.Namespace, until: float) -> Any:
    return gpu_parity.parity(door, options.quick, until)


def _kernels(door: Any, card: Any, parts: Parts, options: argparse.Namespace, until: float) -> Any:
    room, turns = card["memory_free"] // ROOM, 1 if door.name == "host" else 256
    rates = gpu_card.rates(door, card, options.repeat, min(1 << 30, card["memory_free"] // 8), turns)
    size = int(min(options.megabytes * 1e6, room))
    return {"rates": rates, "rows": gpu_kernels.kernels_of(door, rates, card, size, options.repeat, until)}


def _sketch(door: Any, card: Any, parts: Parts, options: argparse.Namespace, until: float) -> Any:
    gpu_card.give_back(door)
    return gpu_sketch.sketches(4 * options.megabytes, max(2, options.repeat // 2), until, door.name)


def _job(door: Any, card: Any, parts: Parts, options: argparse.Namespace, until: float) -> Any:
    gpu_card.give_back(door)
    with tempfile.TemporaryDirectory() as folder:
        return gpu_job.job(Path(folder), int(options.gigabytes * 1e9), door.name, 2, until)


def _budget(door: Any, card: Any, parts: Parts, options: argparse.Namespace, until: float) -> Any:
    gpu_card.give_back(door)
    size = int(options.gigabytes * 1e9)
    memory = options.memory or size // 4
    with tempfile.TemporaryDirectory() as folder:
        free = None if door.name == "host" else lambda: int(door.xp.cuda.runtime.memGetInfo()[0])
        return gpu_job.budget(Path(folder), size, memory, door.name, until, free)


MEASURES: dict[str, Callable[..., Any]] = {
    "parity": _parity, "kernels": _kernels, "sketch": _sketch, "job": _job, "budget": _budget,
}  # fmt: skip
TABLES: dict[str, Callable[[Parts], str]] = {
    "parity": lambda parts: gpu_parity.table(parts["parity"]),
    "kernels": lambda parts: (
        gpu_card.table(parts["card"], parts["kernels"]["rates"])
        + "\n\n"
        + gpu_kernels.table(parts["kernels"]["rows"])
    ),
    "sketch": lambda parts: gpu_sketch.table(parts["sketch"], _copy_rate(parts)),
    "job": lambda parts: gpu_job.table(parts["job"]),
    "budget": lambda parts: gpu_job.table(parts["budget"]),
}


def _copy_rate(parts: Parts) -> float | None:
    rates = parts.get("kernels", {}).get("rates")
    return gpu_card.middles(rates["bytes"])["host to card"] if rates else None


def verdicts(parts: Parts) -> list[tuple[str, str]]:
    """What is asked of a card of the H100's class, and what was found; only of parts that were run."""
    lines = []
    if rows := parts.get("parity"):
        failed = gpu_parity.failed(rows)
        cases = sum(row["cases"] for row in rows)
        lines.append(
            (
                "the CPU's bits from every kernel",
                f"NO: {', '.join(failed)}" if failed else f"yes, {cases} cases",
            )
        )
    if found := parts.get("kernels"):
        speeds = {row["name"]: row["kernel"] / 1e9 for row in found["rows"] if "kernel" in row}
        for kernel, k, wanted in (("affine-1", 128, 50), ("affine-1", 256, 25), ("rounds-1", 128, 200)):
            speed = speeds.get(f"{kernel}, byte:24, k = {k}, texts of 2,000 bytes")
            said = "not measured" if speed is None else f"{_met(speed >= wanted)}{speed:.1f}"
            lines.append(
                (f"{kernel}, byte:24, k = {k}: {wanted} GB/s in the kernel, texts of 2,000 bytes", said)
            )
        shares = gpu_card.shares_a_pipe(gpu_card.middles(found["rates"]["operations"]))
        lines.append(("do multiply-add and minimum share a pipe", "yes" if shares else "no"))
    if (rows := parts.get("sketch")) and (rate := _copy_rate(parts)):
        speeds = [
            row["whole GB/s"] * 1e9 / rate for row in rows if "whole GB/s" in row and ", cuda" in row["name"]
        ]
        said = f"{_met(max(speeds) >= 0.8)}{max(speeds):.0%} at best" if speeds else "not measured"
        lines.append(("host memory to signatures: 80 % of the copy bandwidth", said))
    if found := parts.get("job"):
        speeds = [row["GB/s"] for row in found["rows"] if "GB/s" in row and row["device"] != "cpu"]
        said = f"{_met(max(speeds) >= 2)}{max(speeds):.2f}" if speeds else "not measured"
        lines.append(("Parquet to survivors: 2 GB/s, or the disk's and the parser's limit", said))
    for part in ("job", "budget"):
        same = [row.get("same bytes") for row in parts.get(part, {}).get("rows", ())[1:]]
        if same:
            said = "yes" if all(s == [] for s in same) else "not compared" if None in same else "NO"
            lines.append((f"{part}: the same bytes as on the CPU", said))
    return lines


def _met(met: bool) -> str:
    return "yes: " if met else "NO: "


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for part in SHARES:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--quick", action="store_true", help="all of it small, in a minute; records nothing")
    parser.add_argument("--host", action="store_true", help="without a card: compare through the host header")
    parser.add_argument("--out", type=Path, help="a file for what was found, besides where it is recorded")
    parser.add_argument("--minutes", type=float, default=7.5, help="for all parts")
    parser.add_argument("--megabytes", type=float, default=256, help="of text for each kernel")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--gigabytes", type=float, default=2, help="of text in the job and under the budget")
    parser.add_argument(
        "--memory", type=int, help="bytes of the card under the budget; default: a quarter of the text"
    )
    options = parser.parse_args()
    if not any(getattr(options, part) for part in SHARES):
        vars(options).update(dict.fromkeys(SHARES, True))
    if options.quick:
        vars(options).update(QUICK)
    return options


if __name__ == "__main__":
    main()
