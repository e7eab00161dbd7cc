"""One contestant, one process: started, held to its cores, and charged for all that it starts.

``launch`` gives the kernel's account of a command's whole tree of processes, ``watch`` samples the memory
of a running one, ``take_turns`` interleaves repetitions so that a slow minute hits all alike, and
``record`` files what was found beside the machine and the versions that it was found with.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.pipeline import RESULTS, machine

REPO = Path(__file__).resolve().parent.parent
EVERY_SECONDS = 0.02
Run = dict[str, Any]

# A small process between us and the contestant: the kernel counts the resident set of whoever starts a
# process towards that process's peak. It also waits for what the contestant leaves behind (a fork server
# ends after its master), so that all processor time is counted; option 36 makes it their parent.
_LAUNCH = """
import ctypes, json, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
start = time.perf_counter()
code = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - start
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = used.ru_utime + used.ru_stime
print(json.dumps({"code": code, "seconds": seconds, "cpu": cpu, "peak_mb": used.ru_maxrss / 1024}))
"""


def launch(command: Sequence[str], cores: int, env: Mapping[str, str] | None = None) -> Run:
    """``seconds``, ``cpu`` seconds and ``peak_mb`` of the largest process; ``error`` where it failed."""
    launched = subprocess.run(
        [sys.executable, "-ISc", _LAUNCH, str(cores), *command],
        cwd=REPO,
        env=os.environ | dict(env or {}),
        capture_output=True,
        check=True,
    )
    cost = json.loads(launched.stdout)
    if cost.pop("code"):
        return {"error": launched.stderr.decode(errors="replace").strip()[-300:]}
    return cost


def first_cores(count: int) -> str:
    """The first so many cores that this process may use, as ``taskset`` lists them."""
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[:count]))


def take_turns(names: Iterable[str], run: Callable[[str], Run], repeat: int) -> dict[str, list[Run]]:
    """The runs of each name, all of them once before any of them again."""
    names = list(names)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            runs[name].append(run(name))
    return runs


def middle(runs: Sequence[Run], key: str = "seconds") -> float | None:
    """The median of what the runs that did not fail found, or None."""
    good = [run[key] for run in runs if "error" not in run]
    return statistics.median(good) if good else None


def failure(runs: Sequence[Run]) -> str:
    """The last line of what a contestant said when it failed, fit for a cell of a table."""
    said = next((run["error"] for run in runs if "error" in run), "not installed")
    return " ".join(said.splitlines()[-1:])[-160:].replace("|", "/") or "failed without a word"


def ratio(theirs: float | None, ours: float | None) -> str:
    """How many times as long, or as fast, as text."""
    return f"{theirs / ours:.1f}" if theirs and ours else "-"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table; the first is its head, its first column is of words."""
    head, *others = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *others]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def watch(process: subprocess.Popen[bytes], seen: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """(peak of the sum, peak of the largest) in MB of a process and its children, until it ends.

    The sum counts shared pages once (proportional set sizes); ``seen`` is called after every look.
    """
    peak = largest = 0.0
    while process.poll() is None:
        sizes = [_size(pid) for pid in _tree(process.pid)]
        peak = max(peak, sum(pss for pss, _ in sizes))
        largest = max([largest, *(top for _, top in sizes)])
        seen()
        time.sleep(EVERY_SECONDS)
    return max(peak, largest), largest


def _tree(root: int) -> Iterator[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (stat := _text(f"/proc/{name}/stat")):
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    open_ = [root]
    while open_:
        yield (pid := open_.pop())
        open_ += children.get(pid, [])


def _size(pid: int) -> tuple[float, float]:
    """(proportional size now, resident peak) in MB; nought for a process that has gone."""
    now = re.search(r"(?m)^Pss:\s+(\d+)", _text(f"/proc/{pid}/smaps_rollup"))
    top = re.search(r"(?m)^VmHWM:\s+(\d+)", _text(f"/proc/{pid}/status"))
    return (int(now.group(1)) / 1024 if now else 0.0, int(top.group(1)) / 1024 if top else 0.0)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def results(topic: str, device: str | None = None) -> Path:
    """The file of this machine's results on a topic, or those of a ``device`` in it."""
    folder = re.sub(r"[^A-Za-z0-9]+", "-", device or machine()["cpu"]).strip("-").lower()
    return RESULTS / folder / f"{topic}.json"


def recorded(topic: str, device: str | None = None) -> dict[str, Any]:
    """Every part of a topic as it was last recorded on this machine, or device."""
    path = results(topic, device)
    return json.loads(path.read_text()) if path.exists() else {}


def record(
    topic: str, part: str, found: Any, peers: Iterable[str], device: Mapping[str, Any] | None = None
) -> None:
    """Write one part beside those that were measured before, each with its machine and versions.

    Results of a ``device`` lie under its name.
    """
    path = results(topic, device and device["name"])
    path.parent.mkdir(parents=True, exist_ok=True)
    command = " ".join([f"python -m benchmarks.{topic}", *sys.argv[1:]])
    whole = recorded(topic, device and device["name"])
    about = machine() | versions(peers) | ({"device": dict(device)} if device else {})
    whole[part] = {"command": command, "machine": about, "found": found}
    path.write_text(json.dumps(whole, indent=1) + "\n")


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of packages, or that they are not installed."""
    return {name: _version(name) for name in packages}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
