"""The host's door: the kernels of this folder on the CPU, through g++ and ``host.h``, with NumPy arrays.

Exact and slow: it is how the same source is compared, bit for bit, where no card is. A source is compiled
once for each set of defines, into a folder that is kept (``TOOLKIT_CACHE``, else ``~/.cache/toolkit``).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels.cuda.lane import HostLane
from toolkit.kernels.cuda.source import FOLDER, flags, flat, kernels

_OPTIONS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE")
_MOST_ARGUMENTS = 64


def compiler() -> str | None:
    """Return where g++ is, or None."""
    return shutil.which("g++")


def cache_folder() -> Path:
    """Return the folder of compiled kernels."""
    home = os.environ.get("TOOLKIT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "toolkit"
    return Path(home).expanduser() / "host-kernels"


@cache
def _library(source: str, options: tuple[str, ...]) -> ctypes.CDLL:
    if compiler() is None:
        raise RequestError("kernels run on the host through g++, which is not installed")
    doors = "".join(f"HOST_KERNEL({name})\n" for name in kernels(source))
    text = (FOLDER / "host.h").read_text(encoding="utf-8") + f'#line 1 "{source}"\n' + flat(source) + doors
    key = hashlib.sha256(repr((text, options, _OPTIONS)).encode()).hexdigest()[:24]
    target = cache_folder() / f"{Path(source).stem}-{key}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_suffix(f".{os.getpid()}")
        command = [compiler(), *_OPTIONS, *options, "-x", "c++", "-", "-o", str(beside)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RequestError(f"g++ cannot compile {source} {' '.join(options)}:\n{done.stderr}")
        beside.replace(target)
    return ctypes.CDLL(str(target))


class Host:
    """NumPy arrays and kernels on the CPU. ``backward`` runs the lanes from the last to the first.

    ``budget`` decides how large the pieces of a stream are; nothing enforces it. ``launches`` counts those of
    this process.
    """

    name, xp = "host", np
    launches = 0

    def __init__(self, backward: bool = False, budget: int | None = None) -> None:
        self.backward, self.budget = backward, budget

    def use(self) -> None:
        """Do nothing: there is one host."""

    def lanes(self) -> tuple[HostLane]:
        """Return the one lane that there is."""
        return (HostLane(self),)

    def wait(self) -> None:
        """Do nothing: what was started is done."""

    def free(self) -> None:
        """Do nothing: what nobody uses is free."""

    def array(self, values: np.ndarray, dtype: type | None = None) -> np.ndarray:
        """Return the values as a contiguous array that begins at a multiple of 16 bytes."""
        found = np.ascontiguousarray(values, dtype)
        if found.ctypes.data % 16 == 0:
            return found
        room = np.empty(found.nbytes + 16, np.uint8)
        skip = -room.ctypes.data % 16
        aligned = room[skip : skip + found.nbytes].view(found.dtype).reshape(found.shape)
        aligned[...] = found
        return aligned

    def empty(self, shape: int | tuple[int, ...], dtype: type) -> np.ndarray:
        """Return room, filled with what nobody wants, as a card's is."""
        found = self.array(np.empty(shape, dtype))
        found.view(np.uint8)[...] = 0xA5
        return found

    def full(self, shape: int | tuple[int, ...], value: int, dtype: type) -> np.ndarray:
        """Return an array of one value."""
        return self.array(np.full(shape, value, dtype))

    def numpy(self, values: np.ndarray) -> np.ndarray:
        """Return the values where NumPy can read them."""
        return values

    def launch(
        self, source: str, kernel: str, grid: int | tuple[int, int], block: int, args: tuple,
        defines: dict[str, int] | None = None,
    ) -> None:  # fmt: skip
        """Run ``kernel`` of ``source`` on ``grid`` blocks (in x, or x and y) of ``block`` threads.

        ``args`` are arrays and NumPy scalars. Raises RequestError where an argument's size is not what the
        kernel takes, or where lanes that should wait for each other part.
        """
        library = _library(source, flags(defines))
        sizes = (ctypes.c_int * _MOST_ARGUMENTS)()
        wanted = list(sizes[: getattr(library, f"sizes_{kernel}")(sizes)])
        found = [-a.itemsize if isinstance(a, np.ndarray) else a.nbytes for a in args]
        if found != wanted:
            what = f"arguments of {wanted} bytes (an array's item negative), not {found}"
            raise RequestError(f"{kernel} takes {what}")
        held = [_value(argument) for argument in args]
        pointers = (ctypes.c_void_p * len(held))(*(ctypes.addressof(value) for value in held))
        x, y = grid if isinstance(grid, tuple) else (grid, 1)
        run = getattr(library, f"run_{kernel}")
        run.restype = ctypes.c_char_p
        Host.launches += 1
        wrong = run((ctypes.c_uint * 3)(x, y, block), int(self.backward), pointers)
        if wrong:
            raise RequestError(f"{kernel}: {wrong.decode()}")


def _value(argument: np.ndarray | np.generic) -> ctypes.Array:
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise RequestError("a kernel takes contiguous arrays only")
        return (ctypes.c_uint64 * 1)(argument.ctypes.data)
    return (ctypes.c_char * argument.nbytes).from_buffer_copy(argument.tobytes())
