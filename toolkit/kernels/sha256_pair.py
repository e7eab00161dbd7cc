"""SHA-256 of two rows at a time, by the processor's own instructions for it.

One round waits for the one before, so a single hash leaves the unit idle half of the time; a second one,
of the next row, fits into the gaps. Where the shorter row has ended its lane goes on over zeros, and what
that gives is not used: at worst a row costs what it costs alone.

    schedule   W[t] = W[t-16] + s0(W[t-15]) + W[t-7] + s1(W[t-2])          four at once: sha256msg1, msg2
    round      (a..h) from (a..h) and W[t] + K[t]                          two at once: sha256rnds2

(FIPS 180-4.) Only x86 with the extension can compile this: ``AVAILABLE`` says whether it is one.
"""

from __future__ import annotations

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from toolkit.kernels.compile import BYTES, I64S, OUT_DIGESTS, POINTER, U32_POINTER, U32S, kernel, pointer

AVAILABLE = bool(binding.get_host_cpu_features().get("sha")) and "x86" in binding.get_process_triple()
BLOCK, SIZE = 64, 32

_PRIMES = [n for n in range(2, 312) if all(n % p for p in range(2, int(n**0.5) + 1))]


def _fraction(prime: int, root: int) -> int:
    """The first 32 bits of the fractional part of a prime's square or cube root."""
    scaled, low, high = prime << (32 * root), 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**root <= scaled else (low, middle)
    return low & 0xFFFFFFFF


K = [_fraction(prime, 3) for prime in _PRIMES]
_A, _B, _C, _D, _E, _F, _G, _H = (_fraction(prime, 2) for prime in _PRIMES[:8])
START = np.array([_F, _E, _B, _A, _H, _G, _D, _C], np.uint32)  # as the instructions hold them

_I32 = ir.IntType(32)
_FOUR = ir.VectorType(_I32, 4)


def _shuffle(builder, one, two, lanes):
    return builder.shuffle_vector(one, two, ir.Constant(ir.VectorType(_I32, 4), lanes))


class _Lane:
    """One row's block on its way through the 64 rounds."""

    def __init__(self, builder, state, block):
        self.builder, self.place = builder, builder.bitcast(state, _FOUR.as_pointer())
        module = builder.module
        swap = cgutils.get_or_insert_function(module, ir.FunctionType(_FOUR, [_FOUR]), "llvm.bswap.v4i32")
        two, three = ir.FunctionType(_FOUR, [_FOUR] * 2), ir.FunctionType(_FOUR, [_FOUR] * 3)
        self.msg1, self.msg2, self.rnds2 = (
            cgutils.get_or_insert_function(module, kind, f"llvm.x86.sha256{name}")
            for name, kind in (("msg1", two), ("msg2", two), ("rnds2", three))
        )
        words = builder.bitcast(block, _FOUR.as_pointer())
        self.w = [builder.call(swap, [builder.load(self._at(words, i), align=1)]) for i in range(4)]
        self.before = [builder.load(self._at(self.place, i), align=4) for i in range(2)]
        self.abef, self.cdgh = self.before

    def _at(self, base, index):
        return self.builder.gep(base, [ir.Constant(_I32, index)])

    def four_rounds(self, group):
        b, w = self.builder, self.w
        if group >= 4:
            near = _shuffle(b, w[2], w[3], [1, 2, 3, 4])  # W[t-7], four of them
            early = b.add(b.call(self.msg1, [w[0], w[1]]), near)
            self.w = w = [*w[1:], b.call(self.msg2, [early, w[3]])]
        current = w[3] if group >= 4 else w[group]
        keyed = b.add(current, ir.Constant(_FOUR, K[4 * group : 4 * group + 4]))
        high = _shuffle(b, keyed, keyed, [2, 3, 0, 0])
        self.cdgh = b.call(self.rnds2, [self.cdgh, self.abef, keyed])
        self.abef = b.call(self.rnds2, [self.abef, self.cdgh, high])

    def finish(self):
        for i, (old, new) in enumerate(zip(self.before, (self.abef, self.cdgh), strict=True)):
            self.builder.store(self.builder.add(old, new), self._at(self.place, i), align=4)


@intrinsic
def two_blocks(typing_context, state, other_state, block, other_block):
    """Take a block of 64 bytes into each of two states, 8 uint32 each in the order of START."""

    def code(context, builder, signature, arguments):
        lanes = [_Lane(builder, arguments[i], arguments[i + 2]) for i in range(2)]
        for group in range(16):
            for lane in lanes:
                lane.four_rounds(group)
        for lane in lanes:
            lane.finish()
        return context.get_dummy_value()

    return types.void(U32_POINTER, U32_POINTER, POINTER, POINTER), code


@intrinsic
def shifted(typing_context, base, by):
    """The pointer ``by`` items further on."""

    def code(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return base(base, by), code


if AVAILABLE:

    @kernel(types.int64(POINTER, types.int64, POINTER))
    def _end(text, size, tail):
        """Write what ends a row: its rest, 0x80, zeros, its size in bits. Return the blocks of it, 1 or 2."""
        rest = size % BLOCK
        blocks = 1 if rest < BLOCK - 8 else 2
        for i in range(rest):
            tail[i] = text[size - rest + i]
        tail[rest] = np.uint8(0x80)
        for i in range(rest + 1, blocks * BLOCK - 8):
            tail[i] = np.uint8(0)
        for i in range(8):
            tail[blocks * BLOCK - 1 - i] = np.uint8((8 * size) >> (8 * i))
        return blocks

    @kernel(types.void(U32_POINTER, POINTER))
    def _write(state, out):
        for i in range(8):
            word = state[(3, 2, 7, 6, 1, 0, 5, 4)[i]]
            for j in range(4):
                out[4 * i + j] = np.uint8(word >> np.uint32(24 - 8 * j))

    @kernel(types.void(BYTES, I64S, I64S, U32S, OUT_DIGESTS))
    def hash_pairs(data, start, stop, begin, out):
        """Write the digest of each row ``data[start[i]:stop[i]]`` into ``out``; ``begin`` is START."""
        text, digest, room = pointer(data), pointer(out), np.zeros(5 * BLOCK, np.uint8)
        states = np.empty((2, 8), np.uint32)
        state, state2 = pointer(states), shifted(pointer(states), 8)
        zeros, tail, tail2 = pointer(room), shifted(pointer(room), BLOCK), shifted(pointer(room), 3 * BLOCK)
        for row in range(0, len(start), 2):
            row2 = min(row + 1, len(start) - 1)  # the last of an odd number is its own companion
            states[0], states[1] = begin, begin
            at, at2 = shifted(text, start[row]), shifted(text, start[row2])
            size, size2 = stop[row] - start[row], stop[row2] - start[row2]
            whole, whole2 = size // BLOCK, size2 // BLOCK
            last, last2 = whole + _end(at, size, tail), whole2 + _end(at2, size2, tail2)
            for i in range(max(last, last2)):
                block = shifted(at, i * BLOCK) if i < whole else shifted(tail, (i - whole) * BLOCK)
                block2 = shifted(at2, i * BLOCK) if i < whole2 else shifted(tail2, (i - whole2) * BLOCK)
                two_blocks(state, state2, block if i < last else zeros, block2 if i < last2 else zeros)
                if i == last - 1:
                    _write(state, shifted(digest, row * SIZE))
                if i == last2 - 1:
                    _write(state2, shifted(digest, row2 * SIZE))
