"""How text meets hardware: buffers, devices, and integer kernels over both.

A text column is two buffers: UTF-8 bytes (uint8) and offsets (int64, n + 1). A kernel reads
them where they lie, on one thread, without the interpreter lock; a caller works in parallel
by giving each thread or process a range of rows (a slice of the offsets). ``reference`` says
in plain Python what every kernel computes, bit for bit. Importing this package compiles
nothing: each kernel module compiles once, at its first import, and is cached on disk.
"""

import importlib
from typing import Any

from toolkit.kernels.buffers import text_buffers, to_text
from toolkit.kernels.device import Device, door, pick, using
from toolkit.kernels.known import known_answer

__all__ = ["Device", "door", "known_answer", "pick", "text_buffers", "to_text", "using"]


def __getattr__(name: str) -> Any:
    if name != "offload":  # what a device does, found at first use: most processes have none
        raise AttributeError(f"module 'toolkit.kernels' has no attribute {name!r}")
    return importlib.import_module("toolkit.kernels.cuda.offload")
