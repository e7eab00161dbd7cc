"""What this machine can do, one line a capability, each with a verdict and what would change it."""

from __future__ import annotations

import html
import importlib.metadata
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from toolkit.errors import RequestError
from toolkit.kernels import Device, door, known_answer, pick, using
from toolkit.pipeline.processes import usable_cores

_PROBE_BYTES = 32 << 20


@dataclass(frozen=True)
class Capability:
    """One line: ``state`` is ok, missing (optional) or failed (what a run would use is not sound)."""

    name: str
    state: str
    text: str


@dataclass(frozen=True)
class Checkup:
    """All lines; ``ok`` is true when nothing that a run would use has failed."""

    lines: tuple[Capability, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing has failed."""
        return all(line.state != "failed" for line in self.lines)

    def __repr__(self) -> str:
        return "\n".join(f"{line.state:<8}{line.name:<22}{line.text}" for line in self.lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{line.state}</td><td>{html.escape(line.name)}</td><td>{html.escape(line.text)}</td></tr>"
            for line in self.lines
        )
        return f"<table>{rows}</table>"


def doctor(folder: str | Path = ".") -> Checkup:
    """Examine this machine; ``folder`` is where the disk is measured (a file of 32 MiB, removed again)."""
    folder = Path(folder)
    machine = (_python(), _cores(), _memory(), _disk(folder), _threads(), _cpu())
    return Checkup((*machine, *_devices(), *_extras()))


def _python() -> Capability:
    found = platform.python_version()
    fits = (3, 11) <= tuple(map(int, found.split(".")[:2])) < (3, 14)
    return Capability("python", "ok" if fits else "failed", f"{found} (3.11 to 3.13 are supported)")


def _cores() -> Capability:
    usable, all_cores = usable_cores(), os.cpu_count() or 1
    return Capability("cores", "ok", f"{usable} usable of {all_cores}; --workers defaults to {usable}")


def _memory() -> Capability:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return Capability("memory", "missing", "this system does not say how much there is")
    return Capability("memory", "ok", f"{total:.1f} GiB; a worker of the main job needs about 0.5 GiB")


def _disk(folder: Path) -> Capability:
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            started = time.perf_counter()
            file.write(os.urandom(1 << 20) * (_PROBE_BYTES >> 20))
            file.flush()
            os.fsync(file.fileno())
            rate = _PROBE_BYTES / (time.perf_counter() - started) / 1e6
    except OSError as error:
        return Capability("disk", "failed", f"cannot write in {folder.resolve()}: {error.strerror}")
    kind = "NVMe class" if rate > 800 else "SSD class" if rate > 150 else "hard-disk or network class"
    return Capability("disk", "ok", f"{rate:,.0f} MB/s written and synced in {folder.resolve()}: {kind}")


def _threads() -> Capability:
    import numba

    version = importlib.metadata.version("numba")
    return Capability("numba", "ok", f"{version}, {numba.config.NUMBA_NUM_THREADS} threads")


def _cpu() -> Capability:
    started = time.perf_counter()
    try:
        sound = known_answer() and _measures() and _packs()
    except Exception as error:
        return Capability("known answer, cpu", "failed", f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    text = f"every kernel gives its golden vectors ({seconds:.1f} s, compilation included)"
    return Capability("known answer, cpu", "ok" if sound else "failed", text if sound else "a kernel differs")


def _measures() -> bool:
    from toolkit.quality import measure

    return measure(pa.array(["ab 1 \u00e9"])).to_pylist() == [{"chars": 6, "words": 3, "alpha_share": 0.75}]


def _packs() -> bool:
    from toolkit.packing import best_fit_decreasing

    return best_fit_decreasing(np.array([2, 5, 3, 4]), 7).tolist() == [0, 0, 1, 1]


def _devices() -> Iterator[Capability]:
    """The card and the kernels on it, if there is one, and which device a run would use."""
    card = pick("auto")
    yield Capability("gpu", "ok" if card.name == "cuda" else "missing", card.reason)
    try:
        used = pick()
    except RequestError as error:
        yield Capability("device", "failed", str(error))
        return
    for device in {card.name: card, used.name: used}.values():
        if device.name != "cpu":
            yield _known_answer(device)
    fallback = "the fallback: the same bytes, more slowly" if used == card else used.reason
    told = fallback if used.name == "cpu" else f"{used.reason}; TOOLKIT_DEVICE=cpu gives the same bytes"
    yield Capability("device", "ok", f"{used.name}, {told}")


def _known_answer(device: Device) -> Capability:
    """Whether a device gives the CPU's golden vectors; where it does not, no run should use it."""
    from toolkit.kernels.cuda.known import known_answer as known_answer_of

    started, name = time.perf_counter(), f"known answer, {device.name}"
    try:
        with using(device):
            known_answer_of(door())
    except Exception as error:
        told = f"{type(error).__name__}: {error}; TOOLKIT_DEVICE=cpu goes without it"
        return Capability(name, "failed", told)
    took = f"{time.perf_counter() - started:.1f} s, compilation included"
    return Capability(name, "ok", f"every hashing kernel gives the CPU's vectors ({took})")


def _extras() -> Iterator[Capability]:
    """One line an extra, read from the installed package's own metadata."""
    wanted: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("toolkit") or []:
        if found := re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", line):
            wanted.setdefault(found.group(2), []).append(found.group(1))
    for extra, packages in sorted(wanted.items()):
        missing = [package for package in packages if not _installed(package)]
        if missing:
            text = f"without {', '.join(missing)}: pip install -e '.[{extra}]'"
            yield Capability(f"extra {extra}", "missing", text)
        else:
            yield Capability(f"extra {extra}", "ok", ", ".join(map(_versioned, packages)))


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _versioned(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"
