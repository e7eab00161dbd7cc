"""What a compiler makes of a ``.cu`` file, without a card: registers, spills, shared memory, instructions.

nvcc compiles for each architecture that is supported; nvdisasm, where it is installed (the package
``nvidia-cuda-nvdisasm``, or a full CUDA toolkit), shows the instructions, loop by loop.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import RequestError
from toolkit.kernels.cuda.source import flags, flat

ARCHITECTURES = ("sm_80", "sm_90", "sm_120")
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
_FUNCTION = re.compile(r"\.text\.(\w+):$")
_LABEL = re.compile(r"^\s*(\.L_x_\d+):")
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*)")
_TARGET = re.compile(r"`\((\.L_x_\d+)\)")


@dataclass(frozen=True)
class Built:
    """A compiled kernel: registers a thread, bytes spilled and of stack a thread, shared bytes a block."""

    kernel: str
    registers: int
    spilled: int
    stack: int
    shared: int


def find_tool(name: str) -> str | None:
    """Return where a tool of CUDA is: on the path, or among the packages of this Python; else None."""
    found = shutil.which(name)
    if found:
        return found
    places = {sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith("-packages"))}
    for place in sorted(places):
        for path in sorted(Path(place).glob(f"nvidia/*/bin/{name}")):
            return str(path)
    return None


def compile_source(
    source: str, architecture: str, defines: dict[str, int] | None = None, cubin: Path | None = None
) -> list[Built]:
    """Compile a source with nvcc for one architecture; RequestError with its words where it cannot.

    ``cubin`` is where to leave the machine code.
    """
    nvcc = find_tool("nvcc")
    if nvcc is None:
        raise RequestError("nvcc is not installed: it comes with the CUDA toolkit")
    with tempfile.TemporaryDirectory() as folder:
        text, out = Path(folder) / source, cubin or Path(folder) / "out.cubin"
        text.write_text(flat(source), encoding="utf-8")
        options = ["-cubin", f"-arch={architecture}", "-std=c++17", "-Xptxas", "-v", *flags(defines)]
        done = subprocess.run(
            [nvcc, *options, "-o", str(out), str(text)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RequestError(f"nvcc cannot compile {source} for {architecture}:\n{done.stdout}{done.stderr}")
    return _built(done.stdout + done.stderr)


def _built(told: str) -> list[Built]:
    """Read what ptxas says of each kernel."""
    found = []
    for part in re.split(r"(?=Compiling entry function)", told)[1:]:
        stack, stores, loads = (int(v) for v in _SPILL.search(part).groups())
        registers, shared = _USED.search(part).groups()
        found.append(Built(_ENTRY.match(part)[1], int(registers), stores + loads, stack, int(shared or 0)))
    return found


def loops(cubin: Path, kernel: str) -> list[Counter]:
    """Return the instructions of each innermost loop of a kernel, by name: what they are and how many.

    An instruction is named with its first suffix at most. RequestError without nvdisasm.
    """
    tool = find_tool("nvdisasm")
    if tool is None:
        raise RequestError("nvdisasm is not installed: pip install nvidia-cuda-nvdisasm")
    text = subprocess.run([tool, str(cubin)], capture_output=True, text=True, check=True).stdout
    places, code, here = {}, [], False
    for line in text.splitlines():
        if match := _FUNCTION.search(line):
            here = match[1] == kernel
        elif here and (match := _LABEL.match(line)):
            places[match[1]] = len(code)
        elif here and (match := _INSTRUCTION.match(line)):
            target = _TARGET.search(match[3])
            code.append((match[2], target and target[1]))
    spans = [(places[to], at) for at, (name, to) in enumerate(code) if to in places and places[to] <= at]
    inner = [s for s in spans if not any(s != t and s[0] <= t[0] and t[1] <= s[1] for t in spans)]
    return [Counter(name for name, _ in code[first : last + 1]) for first, last in sorted(set(inner))]
