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
import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import ingest_memory, ingest_profile, ingest_speed, ingest_torture
from benchmarks.ingest_peers import READERS, REPO
from benchmarks.pipeline import RESULTS, machine

README = REPO / "toolkit" / "ingest" / "README.md"
COMPRESSIONS = ("zstd-1", "zstd-3", "none")
PEERS = ("datatrove", "duckdb", "polars", "pandas", "pyarrow", "orjson", "msgspec", "zstandard")


def main() -> None:
    """Run the parts that are asked for, print each, and record it."""
    options = _options()
    if options.torture:
        found = _before("torture") | ingest_torture.torture(options.tools)
        found = {name: found[name] for name in READERS if name in found}
        print(ingest_torture.table(found), ingest_torture.case_table(found), sep="\n\n")
        _record("torture", found)
    if options.readme:
        path = _results()
        recorded = json.loads(path.read_text())["torture"]
        ingest_torture.write_readme(README, recorded, path.relative_to(REPO).as_posix())
    if options.speed:
        counts = tuple(options.workers)
        rows = ingest_speed.speed(options.megabytes, options.repeat, tuple(options.compression), counts)
        rows = [row | {"command": " ".join(sys.argv[1:])} for row in rows]
        for start in range(0, len(rows), len(ingest_speed.WRITERS)):
            print(ingest_speed.table(rows[start : start + len(ingest_speed.WRITERS)]))
        _record("speed", [*_other_cases(rows), *rows])
    if options.memory:
        sizes = (1.0, options.memory) if options.memory > 1 else (options.memory,)
        measured = ingest_memory.memory(sizes, max(options.workers))
        print(ingest_memory.table(measured))
        _record("memory", measured)
    if options.profile:
        steps = ingest_profile.profile(options.megabytes, options.repeat)
        print(ingest_profile.table(steps))
        _record("profile", steps)


def _record(part: str, found: Any) -> None:
    """Write one part beside those that were measured before, each with its machine and versions."""
    path = _results()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = json.loads(path.read_text()) if path.exists() else {}
    command = " ".join(["python -m benchmarks.ingest", *sys.argv[1:]])
    whole[part] = {"command": command, "machine": machine() | versions(), "found": found}
    path.write_text(json.dumps(whole, indent=1) + "\n")


def _results() -> Path:
    """The file of results of this machine."""
    return RESULTS / re.sub(r"[^A-Za-z0-9]+", "-", machine()["cpu"]).strip("-").lower() / "ingest.json"


def _before(part: str) -> dict[str, Any]:
    """What one part found when it was last recorded."""
    path = _results()
    whole = json.loads(path.read_text()) if path.exists() else {}
    return whole[part]["found"] if part in whole else {}


def _other_cases(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded rows of the cases that were not measured now."""
    path = _results()
    whole = json.loads(path.read_text()) if path.exists() else {}
    now = {_case(row) for row in rows}
    return [row for row in whole.get("speed", {"found": []})["found"] if _case(row) not in now]


def _case(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["record_bytes"], row["compression"], row["workers"]


def versions() -> dict[str, str]:
    """The peers' versions, or that they are not installed."""
    return {name: _version(name) for name in PEERS}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torture", action="store_true")
    parser.add_argument("--tools", nargs="+", choices=list(READERS), default=list(READERS), metavar="NAME")
    parser.add_argument("--readme", action="store_true", help="write the recorded torture table into README")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--memory", type=float, metavar="GB", help="ingest 1 GB and so many")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--megabytes", type=int, default=100, help="of each record size")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--compression", nargs="+", default=list(COMPRESSIONS), choices=COMPRESSIONS)
    options = parser.parse_args()
    if not any([options.torture, options.readme, options.speed, options.memory, options.profile]):
        options.torture = options.speed = True
    return options


if __name__ == "__main__":
    main()
