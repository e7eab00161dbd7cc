"""How time, memory and disk of ``toolkit dedup`` grow with the number of texts, and what follows from it.

    power     log y = a + b log n, least squares; n = 100 million extrapolated, times or divided by e^se
    straight  y = a + b n, least squares; the same, plus or minus se

se is the standard error of a prediction at that n: s sqrt(1 + 1/m + (x - mean)^2 / sum (x_i - mean)^2),
s from the residuals of m measurements. What a process needs before it reads anything bends the power
law down, so for memory the straight line is the one to believe. Memory is that of all processes together
(shared pages once), disk the most that lay in the output folder at once, index and work files included.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import launch
from benchmarks.dedup_job_peers import toolkit_command
from benchmarks.dedup_texts import plant, write

FAR = 100_000_000
FILES = 4
QUANTITIES = {"seconds": "time, s", "peak_mb": "memory of all, MB", "disk_mb": "disk at most, MB"}
Row = dict[str, Any]


def growth(sizes: tuple[int, ...], cores: int, repeat: int) -> dict[str, Any]:
    """The measurements, and the fits of each quantity."""
    rows = []
    for texts in sizes:
        with tempfile.TemporaryDirectory() as folder:
            corpus = plant(texts, seed=7)
            write(corpus, Path(folder) / "in", FILES)
            size = corpus["text"].nbytes
            del corpus
            for _ in range(repeat):
                rows.append({"texts": texts, "bytes": size, "cores": cores} | _measure(Path(folder), cores))
                print(rows[-1], file=sys.stderr)
    good = [row for row in rows if "error" not in row]
    names = [name for name in QUANTITIES if len({row["texts"] for row in good}) > 2]
    counts = np.array([row["texts"] for row in good], float)
    fits = {name: _fits(counts, np.array([row[name] for row in good], float)) for name in names}
    return {"rows": rows, "fits": fits}


def _measure(folder: Path, cores: int) -> Row:
    out, most = folder / "out", 0

    def seen() -> None:
        nonlocal most, next_look
        if time.perf_counter() >= next_look:
            most = max(most, _size(out))
            next_look = time.perf_counter() + 0.5

    next_look = 0.0
    errors = folder / "errors"
    start = time.perf_counter()
    with errors.open("wb") as said:
        process = subprocess.Popen(
            ["taskset", "-c", launch.first_cores(cores), *toolkit_command(folder / "in", out, cores)],
            cwd=launch.REPO, stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip
        peak, largest = launch.watch(process, seen)
    seconds = time.perf_counter() - start
    if process.returncode:
        return {"error": errors.read_text()[-300:]}
    final = _size(out)
    subprocess.run(["rm", "-rf", str(out)], check=True)
    megabytes = {"disk_mb": max(most, final) / 1e6, "left_mb": final / 1e6}
    return {"seconds": seconds, "peak_mb": peak, "largest_mb": largest} | megabytes


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # it was renamed or removed between the two looks
            continue
    return total


def _fits(counts: np.ndarray, values: np.ndarray) -> dict[str, dict[str, float]]:
    power = _line(np.log(counts), np.log(values), math.log(FAR))
    straight = _line(counts, values, FAR)
    return {
        "power": {"exponent": power["slope"], "exponent_error": power["slope_error"],
                  "far": math.exp(power["far"]), "factor": math.exp(min(700, power["far_error"]))},
        "straight": {"base": straight["base"], "per_million": straight["slope"] * 1e6,
                     "far": straight["far"], "error": straight["far_error"]},
    }  # fmt: skip


def _line(x: np.ndarray, y: np.ndarray, far: float) -> dict[str, float]:
    """Least squares y = base + slope x, the prediction at ``far``, and standard errors."""
    spread = ((x - x.mean()) ** 2).sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    base = y.mean() - slope * x.mean()
    s = math.sqrt(((y - base - slope * x) ** 2).sum() / max(1, len(x) - 2))
    error = s * math.sqrt(1 + 1 / len(x) + (far - x.mean()) ** 2 / spread)
    return {"base": base, "slope": slope, "slope_error": s / math.sqrt(spread), "far": base + slope * far,
            "far_error": error}  # fmt: skip


def tables(found: dict[str, Any]) -> str:
    """What was measured, and what follows for 100 million texts."""
    lines = [("texts", "MB of text", "cores", "s", "memory of all MB", "of the largest MB", "disk at most MB",
              "left MB", "bytes of memory a text")]  # fmt: skip
    for row in found["rows"]:
        if "error" in row:
            lines.append((f"{row['texts']:,}", row["error"][-100:], *[""] * 7))
            continue
        names = ("peak_mb", "largest_mb", "disk_mb", "left_mb")
        lines.append(
            (f"{row['texts']:,}", f"{row['bytes'] / 1e6:.0f}", str(row["cores"]), f"{row['seconds']:.1f}",
             *(f"{row[name]:,.0f}" for name in names), f"{row['peak_mb'] * 2**20 / row['texts']:,.0f}")
        )  # fmt: skip
    fits = [("quantity", "exponent", "at 100 million, power law", "times or by", "at 100 million, straight",
             "plus or minus", "a million more")]  # fmt: skip
    for name, fit in found["fits"].items():
        power, straight = fit["power"], fit["straight"]
        fits.append(
            (QUANTITIES[name], f"{power['exponent']:.3f} ± {power['exponent_error']:.3f}",
             f"{power['far']:,.0f}", f"{power['factor']:.2f}", f"{straight['far']:,.0f}",
             f"{straight['error']:,.0f}", f"{straight['per_million']:,.1f}")
        )  # fmt: skip
    return launch.markdown(lines) + "\n\n" + launch.markdown(fits)
