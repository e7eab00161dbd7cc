"""Explicit vectors: three loops written for the registers, which the compiler would not find alone.

Numba gives a kernel to LLVM, which vectorises an inner loop but does not exchange loops, nor
keep a small array in registers. What is built here is plain LLVM vector code of a fixed width
(64 bytes, 32 integers): LLVM cuts it into the registers that the machine has, so it holds for
SSE, AVX2, AVX-512 and NEON alike, and every one gives the same integers.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

TILE = 32  # permutations at once: a, b and the minima fill 12 of the 16 registers of AVX2
SPACE, HIGH_LEAD = 0x20, 0xE0


def _splat(builder, scalar, lanes):
    vector = ir.VectorType(scalar.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def _vector_at(builder, base, index, vector):
    return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())


@intrinsic
def marks64(typing_context, text, at):
    """Mark, of the 64 bytes at ``at``, those that may stop a word: bit j of a uint64 for byte j.

    That is 0x20 and every byte from 0xE0 on. All 64 bytes must lie in the buffer.
    """
    vector = ir.VectorType(ir.IntType(8), 64)

    def code(context, builder, signature, arguments):
        block = builder.load(_vector_at(builder, *arguments, vector), align=1)
        space = builder.icmp_unsigned("==", block, ir.Constant(vector, [SPACE] * 64))
        high = builder.icmp_unsigned(">=", block, ir.Constant(vector, [HIGH_LEAD] * 64))
        return builder.bitcast(builder.or_(space, high), ir.IntType(64))

    return types.uint64(types.CPointer(types.uint8), types.int64), code


@intrinsic
def lowest_bit(typing_context, marks):
    """Return the index of the lowest bit that is set, int64; ``marks`` is uint64 and not zero."""

    def code(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), code


@intrinsic
def lower_tile(typing_context, xs, count, a, b, low, at):
    """low[j] = min(low[j], a[j] * x + b[j] mod 2^32) over ``count`` values x, for TILE slots j from ``at``.

    All pointers are to uint32. The tile's a, b and minima stay in registers while the values pass:
    a value costs three operations a register, and neither many nor few values cost more.
    """
    vector, u32 = ir.VectorType(ir.IntType(32), TILE), types.CPointer(types.uint32)

    def code(context, builder, signature, arguments):
        values, count, a, b, low, at = arguments
        ak, bk = (builder.load(_vector_at(builder, base, at, vector), align=4) for base in (a, b))
        place = _vector_at(builder, low, at, vector)
        lowest = cgutils.alloca_once_value(builder, builder.load(place, align=4))
        with cgutils.for_range(builder, count) as loop:
            x = _splat(builder, builder.load(builder.gep(values, [loop.index])), TILE)
            hashed = builder.add(builder.mul(ak, x), bk)
            before = builder.load(lowest)
            less = builder.icmp_unsigned("<", hashed, before)
            builder.store(builder.select(less, hashed, before), lowest)
        builder.store(builder.load(lowest), place, align=4)
        return context.get_dummy_value()

    return types.void(u32, types.int64, u32, u32, u32, types.int64), code
