"""The card's door: the kernels of this folder through CuPy's ``RawModule``, with CuPy arrays.

CuPy compiles at run time for the card in the machine (NVRTC) and keeps the result on disk, by text and
options. Importing CuPy succeeds where no card is, so it is imported when a door is opened.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels.cuda.lane import Lane
from toolkit.kernels.cuda.source import flags, flat

OPTIONS = ("-std=c++17",)


def open_cupy() -> Any:
    """Return the module CuPy; RequestError where it, a driver or a card is missing."""
    try:
        import cupy
    except Exception as error:
        if isinstance(error, ImportError) and error.name == "cupy":
            raise RequestError("CuPy is not installed: pip install -e '.[gpu]'") from None
        raise RequestError(f"CuPy cannot be imported ({type(error).__name__}: {error})") from error
    try:
        here = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # no driver, one too old for this CuPy, or a broken one
        raise RequestError(f"CuPy finds no device ({type(error).__name__}: {error})") from error
    if not here:
        raise RequestError("CuPy finds no device")
    return cupy


class Cuda:
    """CuPy arrays and kernels on card number ``card``, in CuPy's current stream.

    ``budget`` is how many bytes of the card's memory its arrays may take; by default most of what is free.
    """

    name = "cuda"

    def __init__(self, cupy: Any = None, card: int = 0, budget: int | None = None) -> None:
        self.xp = open_cupy() if cupy is None else cupy
        self.card, self.budget = card, budget
        self._modules: dict[tuple, Any] = {}
        self._local = threading.local()

    def use(self) -> None:
        """Make this the card of the calling thread, and hold CuPy to the budget there."""
        self.xp.cuda.Device(self.card).use()
        if self.budget is None:
            from toolkit.kernels.cuda.cards import budget_of

            self.budget = budget_of(self.xp)
        self.xp.get_default_memory_pool().set_limit(size=self.budget)

    def lanes(self) -> tuple[Lane, Lane]:
        """Return two lanes of the calling thread: while one computes the other copies."""
        if not hasattr(self._local, "lanes"):
            self._local.lanes = Lane(self.xp), Lane(self.xp)
        return self._local.lanes

    def wait(self) -> None:
        """Wait for what was queued on the current stream: another does not."""
        self.xp.cuda.get_current_stream().synchronize()

    def free(self) -> None:
        """Give back what CuPy holds and nobody uses."""
        self.xp.get_default_memory_pool().free_all_blocks()

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
