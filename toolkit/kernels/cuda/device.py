"""The card's door: the kernels of this folder through CuPy's ``RawModule``, with CuPy arrays.

CuPy compiles at run time for the card in the machine (NVRTC) and keeps the result on disk, by text and
options. Importing CuPy succeeds where no card is, so it is imported when a door is opened.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels.cuda.source import flags, flat

OPTIONS = ("-std=c++17",)


def open_cupy() -> Any:
    """Return the module CuPy; RequestError where it, a driver or a card is missing."""
    try:
        import cupy
    except ImportError:
        raise RequestError("CuPy is not installed: pip install 'toolkit[gpu]'") from None
    try:
        here = cupy.cuda.is_available()
    except Exception as error:
        raise RequestError(f"CuPy fails ({type(error).__name__}: {error})") from error
    if not here:
        raise RequestError("CuPy finds no device")
    return cupy


class Cuda:
    """CuPy arrays and kernels on a card, in CuPy's current device and stream."""

    name = "cuda"

    def __init__(self, cupy: Any = None) -> None:
        self.xp = open_cupy() if cupy is None else cupy
        self._modules: dict[tuple, Any] = {}

    def array(self, values: Any, dtype: type | None = None) -> Any:
        """Return the values on the card, contiguous and aligned; what is there already stays."""
        found = self.xp.ascontiguousarray(self.xp.asarray(values), dtype)
        return found if found.data.ptr % 16 == 0 else found.copy()

    def empty(self, shape: int | tuple[int, ...], dtype: type) -> Any:
        """Return room on the card."""
        return self.xp.empty(shape, dtype)

    def full(self, shape: int | tuple[int, ...], value: int, dtype: type) -> Any:
        """Return an array of one value."""
        return self.xp.full(shape, value, dtype)

    def numpy(self, values: Any) -> np.ndarray:
        """Return a copy in the host's memory."""
        return self.xp.asnumpy(values)

    def module(self, source: str, defines: dict[str, int] | None = None) -> Any:
        """Return the compiled source; compiled at its first use."""
        key = (source, flags(defines))
        if key not in self._modules:
            self._modules[key] = self.xp.RawModule(code=flat(source), options=(*OPTIONS, *key[1]))
        return self._modules[key]

    def launch(
        self, source: str, kernel: str, grid: int | tuple[int, int], block: int, args: tuple,
        defines: dict[str, int] | None = None,
    ) -> None:  # fmt: skip
        """Queue ``kernel`` of ``source`` on the current stream; see ``Host.launch``."""
        grid = grid if isinstance(grid, tuple) else (grid, 1)
        self.module(source, defines).get_function(kernel)(grid, (block,), args)
