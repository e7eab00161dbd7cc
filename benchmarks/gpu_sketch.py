"""Host memory to signatures in host memory: ours on the card and on the processor, and others' on the card.

    python -m benchmarks.gpu_sketch NAME LENGTH MEGABYTES word:5|byte:24 K CORES REPEAT OUT.json

One contestant, one process, since ``TOOLKIT_DEVICE`` is asked once; ``sketches`` starts them all. Ours on
the card streams: copies and kernels overlap. cuDF's ``minhash`` has shingles of characters, which are bytes
here; ``resident`` are its seconds on texts that are on the card already. datasketch has its permutations on
the card and its shingles from Python, so that it is given little.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import gpu_texts, launch
from benchmarks.dedup_sketch_peers import SKETCHERS, NotOffered
from toolkit.pipeline.processes import usable_cores

Row = dict[str, Any]
NOT_YET = "not there yet: sketches do not ask for a device"


@dataclass(frozen=True)
class Contestant:
    """What must be installed, its function, TOOLKIT_DEVICE, cores, and the share of the texts it is given."""

    package: str
    time: Callable[..., Row]
    device: str
    cores: int
    share: float
    does: str


def _seconds(work: Callable[[], Any], repeat: int) -> list[float]:
    found = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def _ours(texts: pa.Array, shingle: str, k: int, cores: int, repeat: int, scheme: str) -> Row:
    from toolkit import kernels

    if os.environ.get("TOOLKIT_DEVICE") != "cpu" and not hasattr(kernels, "door"):
        raise NotOffered(NOT_YET)
    run = SKETCHERS[f"toolkit {scheme}"].make(shingle, k, cores)
    run(texts)
    return {"whole": _seconds(lambda: run(texts), repeat)}


def _affine(*given: Any) -> Row:
    return _ours(*given, "affine-1")


def _rounds(*given: Any) -> Row:
    return _ours(*given, "rounds-1")


def _cudf(texts: pa.Array, shingle: str, k: int, cores: int, repeat: int) -> Row:
    import cudf
    import cupy

    unit, _, n = shingle.partition(":")
    if unit != "byte":
        raise NotOffered("its shingles of words are made on the host")
    rng = np.random.RandomState(1)
    a, b = (cudf.Series(rng.randint(1, (1 << 31) - 1, k, dtype=np.uint32)) for _ in range(2))

    def minhash(column: Any) -> Any:
        found = column.str.minhash(seed=np.uint32(1), a=a, b=b, width=int(n))
        cupy.cuda.Device().synchronize()
        return found

    def whole() -> np.ndarray:
        return minhash(cudf.Series.from_arrow(texts)).list.leaves.to_numpy()

    if whole().size != len(texts) * k:
        raise ValueError("cuDF's signatures have another size")
    there = cudf.Series.from_arrow(texts)
    return {"whole": _seconds(whole, repeat), "resident": _seconds(lambda: minhash(there), repeat)}


def _datasketch(texts: pa.Array, shingle: str, k: int, cores: int, repeat: int) -> Row:
    from datasketch import MinHash

    unit, _, size = shingle.partition(":")
    if unit != "byte":
        raise NotOffered("measured on shingles of bytes only")
    n, blank = int(size), MinHash(k, gpu_mode="always")

    def whole() -> None:
        for text in texts.to_pylist():
            data = text.encode()
            one = MinHash(k, permutations=blank.permutations, scheme=blank.scheme, gpu_mode="always")
            one.update_batch([data[at : at + n] for at in range(max(1, len(data) - n + 1))])

    whole()
    return {"whole": _seconds(whole, repeat)}


def contestants() -> dict[str, Contestant]:
    """Name -> what it is, in the order of the table."""
    cores, ours = usable_cores(), (("affine-1", _affine), ("rounds-1", _rounds))
    found = {}
    for scheme, work in ours:
        found[f"toolkit {scheme}, cuda"] = Contestant(
            "cupy", work, "cuda", 1, 1.0, "streamed through the card"
        )
        found[f"toolkit {scheme}, {cores} core(s)"] = Contestant(
            "toolkit", work, "cpu", cores, 1.0, "Numba, threads"
        )
        found[f"toolkit {scheme}, 1 core"] = Contestant("toolkit", work, "cpu", 1, 0.1, "Numba")
    found["cuDF"] = Contestant("cudf", _cudf, "cpu", 1, 0.5, "Series.str.minhash, 32 bits")
    found["datasketch, CuPy"] = Contestant("datasketch", _datasketch, "cpu", 1, 0.002, "gpu_mode always")
    return found


def sketches(megabytes: float, repeat: int, until: float, device: str = "cuda") -> list[Row]:
    """A row for each contestant, shingle and k; ``device`` is what stands for the card."""
    rows = []
    for shingle, k, length in (("byte:24", 128, 2_000), ("byte:24", 256, 2_000), ("word:5", 128, 2_000)):
        for name, who in contestants().items():
            row = {"name": name, "shingle": shingle, "k": k, "length": length, "does": who.does}
            if time.perf_counter() > until:
                rows.append(row | {"missing": "no time left"})
            elif find_spec(who.package) is None and (who.package != "cupy" or device == "cuda"):
                rows.append(row | {"missing": "not installed"})
            else:
                rows.append(row | _run(name, who, shingle, k, length, megabytes, repeat, device))
    return rows


def _run(
    name: str, who: Contestant, shingle: str, k: int, length: int, megabytes: float, repeat: int, device: str
) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        arguments = map(str, (name, length, megabytes * who.share, shingle, k, who.cores, repeat, out))
        command = [sys.executable, "-m", "benchmarks.gpu_sketch", *arguments]
        env = {"TOOLKIT_DEVICE": device if who.device == "cuda" else "cpu"}
        cost = launch.launch(command, who.cores if who.device == "cpu" else usable_cores(), env)
        if "error" in cost:
            return {"missing": launch.failure([cost])}
        found = json.loads(out.read_text())
    if "lacks" in found:
        return {"missing": found["lacks"]}
    return found | {
        f"{what} GB/s": found["bytes"] / 1e9 / sorted(found[what])[len(found[what]) // 2]
        for what in ("whole", "resident")
        if what in found
    }


def table(rows: list[Row], bandwidth: float | None) -> str:
    """Markdown; ``bandwidth`` of copies to the card in bytes a second, if it was measured."""
    lines = [
        ("host memory to signatures", "shingle", "k", "GB/s", "of the copy", "on the card already", "does")
    ]
    for row in rows:
        head = (row["name"], row["shingle"], str(row["k"]))
        if "missing" in row:
            lines.append((*head, row["missing"], "", "", row["does"]))
            continue
        speed = row["whole GB/s"]
        share = f"{speed * 1e9 / bandwidth:.0%}" if bandwidth and ", cuda" in row["name"] else ""
        resident = f"{row['resident GB/s']:.3g}" if "resident" in row else ""
        lines.append((*head, f"{speed:.3g}", share, resident, row["does"]))
    return launch.markdown(lines)


def main() -> None:
    """Time one contestant."""
    name, length, megabytes, shingle, k, cores, repeat, out = sys.argv[1:]
    texts = gpu_texts.as_text(*gpu_texts.of_length(int(length), int(float(megabytes) * 1e6)))
    who = contestants()[name]
    try:
        found = who.time(texts, shingle, int(k), int(cores), int(repeat))
    except NotOffered as reason:
        found = {"lacks": str(reason)}
    Path(out).write_text(json.dumps(found | {"bytes": len(texts) * int(length)}))


if __name__ == "__main__":
    main()
