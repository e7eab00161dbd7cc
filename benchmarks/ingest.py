"""The door beside its peers: what becomes of the torture files, how fast, in how much memory.

    python -m benchmarks.ingest [--torture [--tools NAME ...] [--readme]] [--speed] [--memory GB] [--profile]

Without a flag, ``--torture --speed``. ``--tools`` tries only these, and leaves the other rows as they
were recorded; ``--readme`` writes what is recorded into ``toolkit/ingest/README.md``. The peers are
datatrove, DuckDB, Polars, pandas, pyarrow and loops of json, orjson and msgspec: pip install
'datatrove[io]' duckdb polars pandas orjson zstandard. One that is not installed says so in its row.
Results, every repetition included, go to ``benchmarks/results/<machine>/ingest.json``, part by part.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks import ingest_memory, ingest_profile, ingest_speed, ingest_torture
from benchmarks.ingest_peers import READERS
from benchmarks.launch import REPO, record, recorded, results

README = REPO / "toolkit" / "ingest" / "README.md"
COMPRESSIONS = ("zstd-1", "zstd-3", "none")
PEERS = ("datatrove", "duckdb", "polars", "pandas", "pyarrow", "orjson", "msgspec", "zstandard")


def main() -> None:
    """Run the parts that are asked for, print each, and record it."""
    options = _options()
    if options.torture:
        found = recorded("ingest").get("torture", {}).get("found", {}) | ingest_torture.torture(options.tools)
        found = {name: found[name] for name in READERS if name in found}
        print(ingest_torture.table(found), ingest_torture.case_table(found), sep="\n\n")
        record("ingest", "torture", found, PEERS)
    if options.readme:
        source = results("ingest").relative_to(REPO).as_posix()
        ingest_torture.write_readme(README, recorded("ingest")["torture"], source)
    if options.speed:
        counts = tuple(options.workers)
        how = tuple(options.compression), counts, tuple(options.sizes)
        rows = ingest_speed.speed(options.megabytes, options.repeat, *how)
        rows = [row | {"command": " ".join(sys.argv[1:])} for row in rows]
        for start in range(0, len(rows), len(ingest_speed.WRITERS)):
            print(ingest_speed.table(rows[start : start + len(ingest_speed.WRITERS)]))
        record("ingest", "speed", [*_other_cases(rows), *rows], PEERS)
    if options.memory:
        sizes = (1.0, options.memory) if options.memory > 1 else (options.memory,)
        measured = ingest_memory.memory(sizes, max(options.workers))
        print(ingest_memory.table(measured))
        record("ingest", "memory", measured, PEERS)
    if options.profile:
        steps = ingest_profile.profile(options.megabytes, options.repeat)
        print(ingest_profile.table(steps))
        record("ingest", "profile", steps, PEERS)


def _other_cases(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded rows of the cases that were not measured now."""
    now = {_case(row) for row in rows}
    return [row for row in recorded("ingest").get("speed", {}).get("found", []) if _case(row) not in now]


def _case(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["record_bytes"], row["compression"], row["workers"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torture", action="store_true")
    parser.add_argument("--tools", nargs="+", choices=list(READERS), default=list(READERS), metavar="NAME")
    parser.add_argument("--readme", action="store_true", help="write the recorded torture table into README")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--memory", type=float, metavar="GB", help="ingest 1 GB and so many")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--megabytes", type=int, default=100, help="of each record size")
    sizes = ingest_speed.SIZES
    parser.add_argument("--sizes", type=int, nargs="+", choices=sizes, default=sizes, help="of a record")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--compression", nargs="+", default=list(COMPRESSIONS), choices=COMPRESSIONS)
    options = parser.parse_args()
    if not any([options.torture, options.readme, options.speed, options.memory, options.profile]):
        options.torture = options.speed = True
    return options


if __name__ == "__main__":
    main()
