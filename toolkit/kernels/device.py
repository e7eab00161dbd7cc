"""Which device runs the kernels: decided once, and said aloud.

``TOOLKIT_DEVICE`` is ``auto`` (the default), ``cpu`` or ``cuda``. Importing CuPy succeeds on a
machine without a GPU and fails at first use, so the question is asked of the driver, in a guard.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from toolkit.errors import RequestError

CHOICES = ("auto", "cpu", "cuda")
CPU_ONLY = "this release has CPU kernels only"


@dataclass(frozen=True)
class Device:
    """A device by name (``cpu`` or ``cuda``) and why it was picked."""

    name: str
    reason: str


def pick(device: str | None = None) -> Device:
    """Pick the device: the argument, else ``TOOLKIT_DEVICE``, else ``auto``.

    Raises RequestError for an unknown name, and for ``cuda``, which this release cannot serve.
    """
    source = "the device argument" if device is not None else "TOOLKIT_DEVICE"
    wanted = (device if device is not None else os.environ.get("TOOLKIT_DEVICE") or "auto").strip().lower()
    if wanted not in CHOICES:
        raise RequestError(f"{source} says {wanted!r}; it must be one of {', '.join(CHOICES)}")
    if wanted == "cpu":
        return Device("cpu", f"{source} asks for it")
    here, why = _gpu()
    if wanted == "cuda":
        found = "a GPU is here, but " if here else f"no GPU ({why}), and "
        raise RequestError(f"{source} says 'cuda': {found}{CPU_ONLY}; use 'auto' or 'cpu'")
    return Device("cpu", f"a GPU is here, but {CPU_ONLY}" if here else f"no GPU: {why}")


def _gpu() -> tuple[bool, str]:
    try:
        import cupy

        return (True, "") if cupy.cuda.is_available() else (False, "CuPy finds no device")
    except ImportError:
        return False, "CuPy is not installed"
    except Exception as error:  # a broken driver must not stop a run on the CPU
        return False, f"CuPy fails ({type(error).__name__}: {error})"
