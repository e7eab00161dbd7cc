"""The instructions of a compiled kernel, loop by loop: what a cost model may count.

Read by nvdisasm, from the package ``nvidia-cuda-nvdisasm`` or the CUDA toolkit. A loop is a jump back; what
lies between its target and the jump is its body.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

from toolkit.errors import RequestError
from toolkit.kernels.cuda.build import find_tool

_FUNCTION = re.compile(r"\.text\.(\w+):$")
_LABEL = re.compile(r"^\s*(\.L_x_\d+):")
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*)")
_TARGET = re.compile(r"`\((\.L_x_\d+)\)")


def loops(cubin: Path, kernel: str) -> list[Counter]:
    """Return the instructions of each innermost loop of a kernel, by name: what they are and how many.

    RequestError without nvdisasm.
    """
    tool = find_tool("nvdisasm")
    if tool is None:
        raise RequestError("nvdisasm is not installed: pip install nvidia-cuda-nvdisasm")
    done = subprocess.run([tool, str(cubin)], capture_output=True, text=True, check=True)
    places, code, here = {}, [], False
    for line in done.stdout.splitlines():
        if match := _FUNCTION.search(line):
            here = match[1] == kernel
        elif here and (match := _LABEL.match(line)):
            places[match[1]] = len(code)
        elif here and (match := _INSTRUCTION.match(line)):
            target = _TARGET.search(match[3])
            code.append((match[2], target and target[1]))
    spans = [(places[to], at) for at, (_, to) in enumerate(code) if to in places and places[to] <= at]
    inner = [s for s in spans if not any(s != t and s[0] <= t[0] and t[1] <= s[1] for t in spans)]
    return [Counter(name for name, _ in code[first : last + 1]) for first, last in sorted(set(inner))]
