"""A job: a pure function from files to files that is skipped when its manifest says it is done.

A job carries everything it needs as plain data, so it runs in this process, in another, or
on another machine that sees the same folder. Its key is the hash of its inputs, settings and
code: the same key and whole files mean there is nothing to do.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import resource
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from toolkit.kernels import Device, using
from toolkit.storage import SCRATCH, PartManifest, digest_json, sha256_bytes

WORK = SCRATCH

_LIBRARIES = ("jinja2", "msgspec", "numba", "numpy", "pyarrow", "tokenizers", "toolkit")
_OPTIONAL = ("pypdf", "selectolax")  # what HTML and PDF are read with, where installed
_ROOMS = ("records", "storage", "kernels", "ingest", "quality", "dedup", "packing", "pipeline/stages")
_CODE = (".py", ".cu", ".cuh")
_HOUSE = Path(__file__).resolve().parent.parent


class Job(Protocol):
    """What the runner needs of a job."""

    def done(self) -> list[PartManifest] | None:
        """The manifests of this job if all its parts are finished, else None."""

    def run(self) -> list[PartManifest]:
        """Do the work, write files and then manifests, and return the manifests."""


@dataclass(frozen=True)
class Outcome:
    """What a job reports: its manifests, wall seconds, and its process's peak memory in bytes."""

    manifests: Sequence[PartManifest]
    seconds: float
    peak_bytes: int


def execute(job: Job, device: Device | None = None) -> Outcome:
    """Run one job and measure it; called in the process that works, with the device that the run picked."""
    started = time.perf_counter()
    with using(device):
        manifests = job.run()
    return Outcome(manifests, time.perf_counter() - started, peak_memory())


def peak_memory() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def begin(manifest: Path) -> None:
    """From here until its manifest is written again a part is unfinished, whatever its files' sizes."""
    manifest.unlink(missing_ok=True)


def job_key(stage: str, **inputs: Any) -> str:
    """The key of a job of ``stage`` on ``inputs`` (JSON data).

    All code that a job can run counts, and so do the libraries that decide what its bytes are: a
    finer choice would save some work after an update, and one day trust a stale part.
    """
    return digest_json([stage, code_digest(), library_versions(), inputs])


@functools.cache
def library_versions() -> dict[str, str]:
    """Versions of what reads, computes and writes the data."""
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    for name in _OPTIONAL:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found | {"zlib": zlib.ZLIB_RUNTIME_VERSION}


@functools.cache
def code_digest() -> str:
    """Hash of the source files of every room that a job can run."""
    return _digest(*_ROOMS)


@functools.cache
def run_digest() -> str:
    """Hash of the source files that decide what a whole run says of its lake."""
    return _digest(*_ROOMS, "pipeline")


def _digest(*rooms: str) -> str:
    found = (file for room in rooms for file in (_HOUSE / room).rglob("*.*"))
    files = sorted({file for file in found if file.suffix in _CODE})
    named = [[file.relative_to(_HOUSE).as_posix(), sha256_bytes(file.read_bytes())] for file in files]
    return digest_json(named)


def finished(lake: Path, path: Path, key: str) -> list[PartManifest] | None:
    """The one manifest at ``path`` if it is fresh, as a job's ``done`` answers."""
    manifest = PartManifest.fresh(lake, path, key)
    return None if manifest is None else [manifest]


def manifest_beside(path: Path) -> Path:
    """Where the manifest of the part at ``path`` stands."""
    return path.with_name(f"{path.name.split('.')[0]}.manifest.json")
