"""What a compiler makes of a ``.cu`` file, without a card: registers, spills, shared memory.

NVRTC (the library that CuPy compiles with, package ``nvidia-cuda-nvrtc``) or nvcc compile for each
architecture that is supported; neither needs a driver. ``machine_code`` reads the instructions.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from toolkit.errors import RequestError
from toolkit.kernels.cuda.source import flags, flat

ARCHITECTURES = ("sm_80", "sm_90", "sm_120")
_OPTIONS = ("-std=c++17",)
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


@dataclass(frozen=True)
class Built:
    """A compiled kernel: registers a thread, bytes spilled and of stack a thread, shared bytes a block."""

    kernel: str
    registers: int
    spilled: int
    stack: int
    shared: int


def _in_packages(pattern: str) -> str | None:
    """Return the first file that NVIDIA's packages of this Python hold under ``pattern``, or None."""
    places = {sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith("-packages"))}
    return next((str(p) for place in sorted(places) for p in sorted(Path(place).glob(pattern))), None)


def find_tool(name: str) -> str | None:
    """Return where a tool of CUDA is: on the path, or among the packages of this Python; else None."""
    return shutil.which(name) or _in_packages(f"nvidia/*/bin/{name}")


@cache
def _nvrtc() -> ctypes.CDLL | None:
    for place in (_in_packages("nvidia/*/lib/libnvrtc.so.*"), find_library("nvrtc")):
        if place:
            try:
                return ctypes.CDLL(place)
            except OSError:
                continue
    return None


def compilers() -> tuple[str, ...]:
    """Return which compilers are here, the faster first: ``nvrtc``, ``nvcc``."""
    return ("nvrtc",) * (_nvrtc() is not None) + ("nvcc",) * (find_tool("nvcc") is not None)


def compile_source(
    source: str,
    architecture: str,
    defines: dict[str, int] | None = None,
    cubin: Path | None = None,
    compiler: str | None = None,
) -> list[Built]:
    """Compile a source for one architecture; ``cubin`` is where to leave the machine code.

    ``compiler`` is one of ``compilers()``, by default the first. Raises RequestError where there is none,
    and with the compiler's words where the source does not compile.
    """
    compiler = compiler or next(iter(compilers()), None)
    if compiler is None:
        raise RequestError(
            "no compiler for a card: pip install nvidia-cuda-nvrtc, or the CUDA toolkit's nvcc"
        )
    run = _by_nvrtc if compiler == "nvrtc" else _by_nvcc
    told, code = run(source, architecture, (*_OPTIONS, *flags(defines)))
    if code is None:
        raise RequestError(f"{compiler} cannot compile {source} for {architecture}:\n{told}")
    if cubin is not None:
        cubin.write_bytes(code)
    return _built(told)


def _by_nvcc(source: str, architecture: str, options: tuple[str, ...]) -> tuple[str, bytes | None]:
    with tempfile.TemporaryDirectory() as folder:
        text, out = Path(folder) / source, Path(folder) / "out.cubin"
        text.write_text(flat(source), encoding="utf-8")
        command = [find_tool("nvcc"), "-cubin", f"-arch={architecture}", "-Xptxas", "-v", *options]
        done = subprocess.run(
            [*command, "-o", str(out), str(text)], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr, None if done.returncode else out.read_bytes()


def _by_nvrtc(source: str, architecture: str, options: tuple[str, ...]) -> tuple[str, bytes | None]:
    library, program, size = _nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    library.nvrtcCreateProgram(ctypes.byref(program), flat(source).encode(), source.encode(), 0, None, None)
    given = [f"--gpu-architecture={architecture}", "--ptxas-options=-v", *options]
    held = (ctypes.c_char_p * len(given))(*(option.encode() for option in given))
    failed = library.nvrtcCompileProgram(program, len(given), held)

    def read(what: str) -> bytes:
        getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        room = ctypes.create_string_buffer(size.value)
        getattr(library, f"nvrtcGet{what}")(program, room)
        return room.raw

    told, code = read("ProgramLog").decode(errors="replace"), None if failed else read("CUBIN")
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return told or f"error {failed}", code


def _built(told: str) -> list[Built]:
    """Read what ptxas says of each kernel."""
    found = []
    for part in re.split(r"(?=Compiling entry function)", told)[1:]:
        stack, stores, loads = (int(v) for v in _SPILL.search(part).groups())
        registers, shared = _USED.search(part).groups()
        found.append(Built(_ENTRY.match(part)[1], int(registers), stores + loads, stack, int(shared or 0)))
    return found
