"""Whether bytes hold what looks like an e-mail address.

    [\\w.+-]@[\\w-]+\\.\\w        on bytes: \\w is an ASCII letter, a digit or an underscore

One character before the ``@`` is enough. A run of ``[\\w-]`` holds no dot and no ``@``, so the
first byte after it decides, and no byte is looked at more than a few times.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.block import BLOCK, equal_marks, lowest
from toolkit.kernels.compile import POINTER, kernel, pointer

U = np.uint64
_AT, _DOT = np.uint8(0x40), 0x2E
_WORD, _DASH, _BEFORE = 1, 2, 4
_KIND = np.zeros(256, np.uint8)
for _byte in range(128):
    _KIND[_byte] = _WORD | _DASH | _BEFORE if chr(_byte).isalnum() or chr(_byte) == "_" else 0
_KIND[ord("-")] = _DASH | _BEFORE
_KIND[[ord("."), ord("+")]] = _BEFORE


@kernel(types.boolean(POINTER, types.int64, types.int64, types.int64), inline=False)
def is_mail(text, at, start, stop):
    """Whether the ``@`` at ``at`` is that of an address inside ``start`` to ``stop``; never behind."""
    kind = pointer(_KIND)
    if at == start or kind[text[at - 1]] & _BEFORE == 0:
        return False
    i = at + 1
    while i < stop and kind[text[i]] & _DASH != 0:
        i += 1
    return i > at + 1 and i + 1 < stop and text[i] == _DOT and kind[text[i + 1]] & _WORD != 0


@kernel(types.boolean(POINTER, types.int64, types.int64, types.int64), inline=False)
def has_mail(text, start, stop, limit):
    """Whether there is an address in ``start`` to ``stop``; ``limit`` is the length of the buffer."""
    i = start
    while i < stop:
        if i + BLOCK <= limit:
            marks = equal_marks(text, i, _AT)
            while marks != U(0):
                if is_mail(text, i + lowest(marks), start, stop):
                    return True
                marks &= marks - U(1)
            i += BLOCK
        else:
            if text[i] == _AT and is_mail(text, i, start, stop):
                return True
            i += 1
    return False
