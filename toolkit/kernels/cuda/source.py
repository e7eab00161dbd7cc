"""A ``.cu`` file as one text: its own headers put in, its kernels listed.

Every compiler (NVRTC through CuPy, nvcc, g++ with ``host.h``) is given the same flat text. CuPy's cache of
compiled kernels knows a kernel by its text, so a header that stayed outside could change unnoticed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = tuple(sorted(path.name for path in FOLDER.glob("*.cu")))
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)
_KERNEL = re.compile(r'extern "C" __global__ void\s+(?:__launch_bounds__\([^\n]*\)\s+)?(\w+)\(')


@cache
def flat(name: str) -> str:
    """Return the text of a source with each of its headers in the place where it is first included."""
    seen: set[str] = set()

    def put_in(match: re.Match) -> str:
        if match[1] in seen:
            return ""
        seen.add(match[1])
        return _INCLUDE.sub(put_in, _read(match[1]))

    return _INCLUDE.sub(put_in, _read(name))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").replace("#pragma once\n", "")


def kernels(name: str) -> tuple[str, ...]:
    """Return the names of a source's kernels, in order."""
    return tuple(_KERNEL.findall(flat(name)))


def flags(defines: dict[str, int] | None) -> tuple[str, ...]:
    """Return the ``-D`` options, sorted so that equal defines compile once."""
    return tuple(f"-D{key}={value}" for key, value in sorted((defines or {}).items()))
