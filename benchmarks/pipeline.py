"""The main job end to end: time, memory, and a verdict against the truth planted in its input.

    python -m benchmarks.pipeline [--records 50000] [--repeat 3]
    python -m benchmarks.pipeline --speed [--alone] [--megabytes 500] [--repeat 1] --tokenizer tokenizer.json

The first writes messy dumps, runs the main job on them (each repetition a fresh process and a fresh
lake), audits the result, and compares what became of every planted record with ``truth.parquet``. The
second runs it beside a chain of other tools (``pipeline_chain``), where they are installed: pip install
'datatrove[io]' 'xxhash<4' datasets transformers trl. ``--alone`` leaves the chain out, which takes ten
times as long. Results, every repetition included, go to ``benchmarks/results/<machine>/pipeline.json``,
part by part; README's tables are copied from there.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import toolkit
from toolkit import dedup
from toolkit.pipeline.processes import usable_cores
from toolkit.records import compared_text

RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = ("numpy", "numba", "pyarrow", "tokenizers", "msgspec")
Place = tuple[str, int]


def main() -> None:
    """Run, judge, print and record."""
    from benchmarks import launch, pipeline_speed  # which import this file

    options = _options()
    if options.speed:
        where = options.megabytes, options.cores, options.repeat, options.tokenizer, options.python
        found = pipeline_speed.speed(*where, *([("toolkit",)] if options.alone else []))
        print(pipeline_speed.table(found))
        launch.record("pipeline", "alone" if options.alone else "speed", found, pipeline_speed.PEERS)
        return
    with tempfile.TemporaryDirectory() as folder:
        dumps = Path(folder) / "dumps"
        made = toolkit.synth(dumps, records=options.records, seed=options.seed)
        runs = [_run_once(dumps, Path(folder) / f"lake{i}") for i in range(options.repeat)]
        lake = Path(folder) / "lake0"
        result = {
            "input_bytes": made.bytes,
            "runs": runs,
            "stages": [_stage(ledger) for ledger in _manifest(lake)["ledgers"]],
            "truth": judge(dumps, lake),
            "audit_ok": toolkit.audit(lake).ok,
        }
    _print(result)
    launch.record("pipeline", "truth", result, ())


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*: (.+)", info.read_text())):
        cpu = found.group(1)
    versions = {name: version(name) for name in LIBRARIES}
    return {"cpu": cpu, "cores": usable_cores(), "python": platform.python_version(), **versions}


def judge(dumps: Path, lake: Path) -> dict[str, dict[str, int]]:
    """planted and right, by kind: right is what the truth says should have become of a record."""
    ends = dict(_ends(lake))
    kept = _silver_texts(lake)
    counts: dict[str, Counter[str]] = {}
    for row in pq.read_table(dumps / "truth.parquet").to_pylist():
        place, other = (row["path"], row["line"]), (row["other_path"], row["other_line"])
        verdict = _verdict(row, ends.get(place), ends.get(other), kept.get(place), kept.get(other))
        if verdict is not None:
            counts.setdefault(row["kind"], Counter()).update(planted=1, right=int(verdict))
    return {kind: dict(found) for kind, found in sorted(counts.items())}


def _verdict(
    row: dict[str, Any], end: str | None, other: str | None, text: Any, other_text: Any
) -> bool | None:
    """Whether the pipeline did right by a planted row; None where the row makes no claim."""
    match row["kind"]:
        case "malformed" | "renamed":
            return end == row["reason"]
        case "exact_duplicate":
            return bool({"exact", "near", "duplicate_payload"} & {end, other})
        case "near_duplicate":
            if text is None or other_text is None:
                return True
            return None if _similarity(text, other_text) < 0.8 else False
        case "leak":
            return end == "contaminated" if row["words"] >= 13 else None
        case "tie":
            return end == "filter:tie"
        case "denied_generator":
            return end == "filter:generator"
        case "templated":
            return end is None and text is not None
    return None


def _similarity(left: str, right: str) -> float:
    sets = dedup.shingle_sets(dedup.normalise(pa.array([left, right], pa.large_string())), "word:5")
    shared, union = dedup.jaccard(*sets, np.array([[0, 1]]))
    return float(shared[0] / max(1, union[0]))


def _ends(lake: Path) -> Iterator[tuple[Place, str]]:
    """((path, line), reason or method) of every line that did not reach gold."""
    for path in (lake / "quarantine").rglob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            yield (entry["origin"]["path"], entry["origin"]["line"]), entry["reason"]
    for path in (lake / "evidence").rglob("*.parquet"):
        for row in pq.read_table(path, columns=["removed_origin", "method"]).to_pylist():
            yield (row["removed_origin"]["path"], row["removed_origin"]["line"]), row["method"]


def _silver_texts(lake: Path) -> dict[Place, str]:
    columns = ["origin", "messages", "prompt", "chosen", "rejected"]
    found = {}
    for path in (lake / "silver").rglob("*.parquet"):
        for row in pq.read_table(path, columns=columns).to_pylist():
            found[row["origin"]["path"], row["origin"]["line"]] = compared_text(row)
    return found


def _run_once(dumps: Path, lake: Path) -> dict[str, Any]:
    spec = dumps / "spec.toml"
    text = re.sub(r'(?m)^path = "[^"]*lake\d*"', f'path = "{lake}"', spec.read_text(), count=1)
    spec.write_text(text)
    subprocess.run([sys.executable, "-m", "toolkit", "run", str(spec), "-q"], check=True, capture_output=True)
    timings = json.loads((lake / "timings.json").read_text())
    return {"seconds": timings["total"]["seconds"], "stages": timings}


def _manifest(lake: Path) -> dict[str, Any]:
    return json.loads((lake / "MANIFEST.json").read_text())


def _stage(ledger: dict[str, Any]) -> dict[str, Any]:
    sums = {
        name: sum(group["records"] for group in ledger[name].values()) for name in ("quarantined", "removed")
    }
    return {"stage": ledger["stage"], "in": ledger["in"]["records"], "out": ledger["out"]["records"], **sums}


def _print(result: dict[str, Any]) -> None:
    for row in result["stages"]:
        print(
            f"{row['stage']:<15}{row['in']:>10,}{row['out']:>10,}{row['quarantined']:>8,}{row['removed']:>8,}"
        )
    seconds = sorted(run["seconds"] for run in result["runs"])
    megabytes = result["input_bytes"] / 1e6
    print(f"\n{megabytes:.1f} MB in {', '.join(f'{s:.1f}' for s in seconds)} s; audit {result['audit_ok']}")
    for name, stage in result["runs"][0]["stages"].items():
        if name != "total":
            print(f"  {name:<12}{stage['seconds']:>8.2f} s{stage['peak_mb']:>10,.0f} MB peak")
    for kind, found in result["truth"].items():
        print(f"{kind:<18}{found['right']:>7,} of {found['planted']:,}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", action="store_true", help="beside a chain of other tools")
    parser.add_argument("--alone", action="store_true", help="--speed without the chain")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--cores", type=int, default=usable_cores())
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json, for --speed")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="what runs ours")
    options = parser.parse_args()
    if options.speed and options.tokenizer is None:
        parser.error("--speed needs --tokenizer: a chain has none of its own")
    return options


if __name__ == "__main__":
    main()
