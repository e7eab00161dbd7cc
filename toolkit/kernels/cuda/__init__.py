"""The kernels in CUDA C++, and the doors through which they run: ``Cuda`` on a card, ``Host`` on the CPU.

What is written above a door is written once: it takes arrays of the door's kind and launches by name. The
``.cu`` files are the lesson; each begins with its equation and its cost.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.kernels.cuda.device import Cuda
    from toolkit.kernels.cuda.host import Host

__all__ = ["Cuda", "Host"]

# Found at first use: to ask which cards there are needs no door.
_HOMES = {"Cuda": "device", "Host": "host"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolkit.kernels.cuda' has no attribute {name!r}")
    return getattr(importlib.import_module(f"toolkit.kernels.cuda.{_HOMES[name]}"), name)
