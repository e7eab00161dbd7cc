"""Whether bytes are UTF-8 (RFC 3629), 64 at a time.

Each lead byte asks for one, two or three continuation bytes after it: as masks, the bytes asked
for must be the continuation bytes, bit for bit. What remains is the second byte after four
leads: E0 and F0 (no longer than needed), ED (no surrogate), F4 (not above U+10FFFF).
A block of ASCII costs one comparison, text in any script about half a nanosecond a byte.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.block import BLOCK, copy, equal_marks, first_bits, least_marks
from toolkit.kernels.compile import POINTER, kernel

U, B = np.uint64, np.uint8
ONE, TWO, THREE = U(1), U(2), U(3)


@kernel(types.boolean(POINTER, types.int64, types.int64, types.int64, POINTER), inline=False)
def is_utf8(text, i, stop, limit, spare):
    """Whether ``i`` to ``stop`` is UTF-8; ``limit`` is the buffer's length, ``spare`` room for 64 bytes."""
    asked = after_e0 = after_ed = after_f0 = after_f4 = U(0)  # what the last block asks of this one
    while i < stop:
        inside, place = first_bits(stop - i), i
        if i + BLOCK > limit:
            copy(spare, 0, text, i, stop - i)
            text, place = spare, 0
        i += BLOCK
        high = least_marks(text, place, B(0x80)) & inside
        if high | asked == U(0):
            continue
        two, three = least_marks(text, place, B(0xC0)) & inside, least_marks(text, place, B(0xE0)) & inside
        four = least_marks(text, place, B(0xF0)) & inside
        wanted = two << ONE | three << TWO | four << THREE | asked
        asked = two >> U(63) | three >> U(62) | four >> U(61)
        wrong = wanted ^ (high & ~two)
        wrong |= two & ~least_marks(text, place, B(0xC2)) | four & least_marks(text, place, B(0xF5))
        e0, ed = equal_marks(text, place, B(0xE0)), equal_marks(text, place, B(0xED))
        f0, f4 = equal_marks(text, place, B(0xF0)), equal_marks(text, place, B(0xF4))
        from_90, from_a0 = least_marks(text, place, B(0x90)), least_marks(text, place, B(0xA0))
        wrong |= (e0 << ONE | after_e0) & ~from_a0 | (ed << ONE | after_ed) & from_a0
        wrong |= (f0 << ONE | after_f0) & ~from_90 | (f4 << ONE | after_f4) & from_90
        after_e0, after_ed, after_f0, after_f4 = e0 >> U(63), ed >> U(63), f0 >> U(63), f4 >> U(63)
        if wrong & inside | wanted & ~inside != U(0):
            return False
    return asked == U(0)
