"""The card, and what it does at most: integer operations and bytes a second, measured, not looked up.

``mark`` and ``seconds`` are a card's events, or the clock where a kernel runs on the host. ``Timed`` is a
door that notes the time of every launch, so that a kernel is timed alone inside the function that calls it.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import launch
from toolkit.kernels.cuda import pipes
from toolkit.kernels.cuda.cost import THREE_OPERANDS, Card, minhash_bounds, rounds_bounds

Run = dict[str, Any]
ASKED = (
    "name",
    "driver_version",
    "clocks.sm",
    "clocks.max.sm",
    "clocks.mem",
    "power.draw",
    "temperature.gpu",
)
MIXES = {
    "multiply-add": ("MULTIPLY",),
    "minimum": ("MINIMUM",),
    "minimum of three": ("THREE",),
    "multiply-add and minimum": ("MULTIPLY", "MINIMUM"),
    "multiply-add and minimum of three": ("MULTIPLY", "THREE"),
}


class Timed:
    """A door that notes (kernel, begin, end) of each launch."""

    def __init__(self, door: Any) -> None:
        self.door, self.launches = door, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.door, name)

    def launch(self, source: str, kernel: str, *arguments: Any) -> None:
        """Launch through the door, between two marks."""
        begin = self.mark()
        self.door.launch(source, kernel, *arguments)
        self.launches.append((kernel, begin, self.mark()))

    def mark(self) -> Any:
        """A moment on the card's own stream."""
        if self.door.name == "host":
            return time.perf_counter()
        event = self.xp.cuda.Event()
        event.record()
        return event

    def seconds(self, begin: Any, end: Any) -> float:
        """Seconds between two marks; waits for the second."""
        if self.door.name == "host":
            return end - begin
        end.synchronize()
        return self.xp.cuda.get_elapsed_time(begin, end) / 1e3

    def measure(self, work: Callable[[Any], Any], repeat: int, warm: int = 2) -> Run:
        """``kernels``: seconds of each by name, one a repetition; ``whole``: of all that was queued."""
        kernels: dict[str, list[float]] = {}
        whole: list[float] = []
        for number in range(warm + repeat):
            self.launches = []
            begin = self.mark()
            work(self)
            total = self.seconds(begin, self.mark())
            if number < warm:
                continue
            whole.append(total)
            for kernel, first, last in self.launches:
                times = kernels.setdefault(kernel, [])
                times += [0.0] * (len(whole) - len(times))
                times[-1] += self.seconds(first, last)
        return {"kernels": kernels, "whole": whole}


def describe(door: Any) -> Run:
    """Name, driver, versions, clock rates and memory of the card behind a door."""
    if door.name == "host":
        return {"name": "no card: kernels through the host header", "memory_free": 1 << 30}
    cupy, device = door.xp, door.xp.cuda.Device()
    properties = cupy.cuda.runtime.getDeviceProperties(device.id)
    free, total = device.mem_info
    return {
        "name": properties["name"].decode(),
        "architecture": f"sm_{device.compute_capability}",
        "multiprocessors": int(properties["multiProcessorCount"]),
        "memory": total,
        "memory_free": free,
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "cuda": cupy.cuda.runtime.runtimeGetVersion(),
        "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "cupy": cupy.__version__,
        "clock_khz": device.attributes.get("ClockRate"),
        "idle": told_by_driver(),
    }


def told_by_driver() -> dict[str, str]:
    """What nvidia-smi says now of the first card: clocks in MHz, power; empty without it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    command = [tool, f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader,nounits", "--id=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return {} if done.returncode else dict(zip(ASKED, done.stdout.strip().split(", "), strict=False))


def rates(door: Any, card: Run, repeat: int, size: int = 1 << 30, turns: int = 256) -> Run:
    """Operations a second of each mix, bytes a second of memory and of copies, and clocks under load."""
    timed = Timed(door)
    blocks = 32 * card.get("multiprocessors", 1)
    found: Run = {"operations": {}, "bytes": {}}
    for name, what in MIXES.items():
        runs = timed.measure(lambda d, what=what: pipes.run(d, what, blocks, turns), repeat)
        done = pipes.operations(what, blocks, turns)
        found["operations"][name] = [done / seconds for seconds in runs["kernels"]["pipes"]]
    for name, amount, work in _copies(door, size):
        found["bytes"][name] = [amount / seconds for seconds in timed.measure(work, repeat)["whole"]]
    if door.name != "host":
        for _ in range(50 if turns > 1 else 1):  # seconds of work wait while the driver is asked
            pipes.run(door, ("MULTIPLY",), blocks, turns)
        found["under_load"] = told_by_driver()
        door.xp.cuda.Device().synchronize()
    return found


def _copies(door: Any, size: int) -> list[tuple[str, int, Callable[[Any], Any]]]:
    """(name, bytes moved, work): within the card's memory, into it and out of it from pinned memory."""
    here = pinned(door, size)
    there, other = door.empty(size, np.uint8), door.empty(size, np.uint8)
    here[:] = 1
    return [
        ("memory", 2 * size, lambda d: d.xp.copyto(other, there)),
        ("host to card", size, lambda d: to_card(d, here, there)),
        ("card to host", size, lambda d: to_host(d, there, here)),
    ]


def pinned(door: Any, size: int) -> np.ndarray:
    """Host memory that the card reads by itself; ordinary memory on the host."""
    if door.name == "host":
        return np.empty(size, np.uint8)
    import cupyx

    return cupyx.empty_pinned(size, np.uint8)


def to_card(door: Any, here: np.ndarray, there: Any) -> None:
    """Copy without waiting."""
    if door.name == "host":
        there[:] = here
    else:
        there.data.copy_from_host_async(here.ctypes.data, here.nbytes, door.xp.cuda.get_current_stream())


def to_host(door: Any, there: Any, here: np.ndarray) -> None:
    """Copy and wait."""
    if door.name == "host":
        here[:] = there
    else:
        there.data.copy_to_host_async(here.ctypes.data, here.nbytes, door.xp.cuda.get_current_stream())
        door.xp.cuda.get_current_stream().synchronize()


def give_back(door: Any) -> None:
    """Let others have the card's memory."""
    if door.name != "host":
        door.xp.get_default_memory_pool().free_all_blocks()
        door.xp.get_default_pinned_memory_pool().free_all_blocks()


def middles(found: dict[str, list[float]]) -> dict[str, float]:
    """The median of each list."""
    return {name: statistics.median(values) for name, values in found.items()}


def shares_a_pipe(operations: dict[str, float]) -> bool:
    """Whether multiply-adds and minima take turns: apart, both would be nearly as fast as twice the slower.

    One pipe gives the harmonic mean of the two rates at most, two pipes twice the slower one; what was
    measured is nearer to one of them.
    """
    slower, faster = sorted((operations["multiply-add"], operations["minimum"]))
    together = operations["multiply-add and minimum"]
    one_pipe, two_pipes = 2 / (1 / slower + 1 / faster), 2 * slower
    return together < (one_pipe * two_pipes) ** 0.5


def expected(card: Run, operations: dict[str, float]) -> dict[str, float]:
    """Bytes of text a second that ``cost`` expects of byte:24 at the clock at which this card multiplies."""
    count = card.get("multiprocessors", 1)
    known = Card(card["name"], count, operations["multiply-add"] / (64 * count), card.get("architecture", ""))
    models = {f"affine-1 {k}": minhash_bounds(known, k, 24) for k in (128, 256)} | {
        "rounds-1": rounds_bounds(known, 24)
    }
    one = shares_a_pipe(operations)
    return {name: m.expected_one_pipe if one else m.expected_two_pipes for name, m in models.items()}


def pairs_a_second(operations: dict[str, float], architecture: str) -> float:
    """Pairs of a hash and a permutation: a multiply-add and a minimum, in the better mix of the two.

    With minima of three operands a pair is one and a half operations, where a card has them.
    """
    found = [operations["multiply-add and minimum"] / 2]
    if architecture in THREE_OPERANDS:
        found.append(operations["multiply-add and minimum of three"] / 1.5)
    return max(found)


def table(card: Run, found: Run) -> str:
    """The card, its rates, and what they say of the pipes."""
    operations, bytes_ = middles(found["operations"]), middles(found["bytes"])
    lines = [("measured", "a second", "lanes a clock of a multiprocessor, at the clock under load")]
    said = found.get("under_load", {}).get("clocks.sm", "")
    clock = float(said) * 1e6 if said.isdigit() else 0.0
    for name, rate in operations.items():
        lanes = rate / card["multiprocessors"] / clock if clock and "multiprocessors" in card else 0
        lines.append((name, f"{rate / 1e12:.2f} T", f"{lanes:.0f}" if lanes else ""))
    lines += [(f"bytes, {name}", f"{rate / 1e9:.1f} GB", "") for name, rate in bytes_.items()]
    share = "share a pipe" if shares_a_pipe(operations) else "have a pipe each"
    about = ", ".join(f"{key} {value}" for key, value in card.items() if key not in ("name", "idle"))
    model = ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in expected(card, operations).items())
    load = ", ".join(f"{key} {value}" for key, value in found.get("under_load", {}).items())
    return (
        f"{card['name']} ({about})\n\n{launch.markdown(lines)}\n\nMultiply-adds and minima {share}, by the "
        "time that both take together. So the cost model expects of whole kernels, byte:24, long texts: "
        f"{model} GB/s." + (f" Under load: {load}." if load else "")
    )
