"""Sixty-four bytes at a time: which of them matter, as one 64-bit mask.

LLVM is handed a vector of 64 bytes and a comparison, and picks the instructions of the machine
at hand (two AVX2 compares and two moves of a mask, or what NEON has for it). Bit k of a mask
speaks of byte k. The caller sees to it that all 64 bytes lie inside the buffer, and masks off
what lies behind its row (``first_bits``).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from toolkit.kernels.compile import kernel

BLOCK = 64

_BIT, _BYTE, _LANE, _WORD = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_BYTE, BLOCK)


def _load(builder: ir.IRBuilder, data: ir.Value, at: ir.Value) -> ir.Value:
    place = builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())
    return builder.load(place, align=1, typ=_VECTOR)


def _everywhere(builder: ir.IRBuilder, byte: ir.Value) -> ir.Value:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), byte, ir.Constant(_LANE, 0))
    lanes = ir.Constant(ir.VectorType(_LANE, BLOCK), [0] * BLOCK)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), lanes)


def _mask(builder: ir.IRBuilder, found: ir.Value) -> ir.Value:
    """64 truths as one integer, which the optimiser must not look through.

    It would move what is later done to the integer into the vector, one lane at a time, which
    is fifty times slower. Assembly without an instruction is opaque to it.
    """
    opaque = ir.InlineAsm(ir.FunctionType(_WORD, [_WORD]), "", "=r,0")
    return builder.call(opaque, [builder.bitcast(found, _WORD)])


def _compare(data: types.Type, at: types.Type, operator: str):
    def code(context, builder, signature, arguments):
        data, at, byte = arguments
        found = builder.icmp_unsigned(operator, _load(builder, data, at), _everywhere(builder, byte))
        return _mask(builder, found)

    return types.uint64(data, at, types.uint8), code


@intrinsic
def equal_marks(typing_context, data, at, byte):
    """Which of the 64 bytes at ``at`` are ``byte``."""
    return _compare(data, at, "==")


@intrinsic
def least_marks(typing_context, data, at, byte):
    """Which of the 64 bytes at ``at`` are at least ``byte``."""
    return _compare(data, at, ">=")


@intrinsic
def string_marks(typing_context, data, at):
    """Which of the 64 bytes at ``at`` a JSON string cannot pass over: quote, backslash, control."""

    def code(context, builder, signature, arguments):
        block = _load(builder, *arguments)
        quote, backslash, space = (ir.Constant(_VECTOR, [byte] * BLOCK) for byte in (0x22, 0x5C, 0x20))
        found = builder.icmp_unsigned("<", block, space)
        found = builder.or_(found, builder.icmp_unsigned("==", block, quote))
        return _mask(builder, builder.or_(found, builder.icmp_unsigned("==", block, backslash)))

    return types.uint64(data, at), code


@intrinsic
def lowest(typing_context, marks):
    """The number of the lowest bit that is set in a mask other than 0, as int64."""

    def code(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(_BIT, 1))

    return types.int64(marks), code


@intrinsic
def population(typing_context, marks):
    """How many bits of a mask are set, as int64."""

    def code(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(marks), code


@intrinsic
def copy(typing_context, target, at, source, start, size):
    """Copy ``size`` bytes from ``source + start`` to ``target + at``; the two must not overlap."""

    def code(context, builder, signature, arguments):
        to, at, source, start, size = arguments
        to, source = builder.gep(to, [at]), builder.gep(source, [start])
        move = builder.module.declare_intrinsic("llvm.memcpy", [to.type, source.type, _WORD])
        builder.call(move, [to, source, size, ir.Constant(_BIT, 0)])
        return context.get_dummy_value()

    return types.void(target, at, source, start, size), code


@kernel(types.uint64(types.int64))
def first_bits(count):
    """Return a mask of the first ``count`` bits; all 64 of them from 64 on."""
    everything = ~np.uint64(0)
    return everything if count >= BLOCK else ~(everything << np.uint64(count))
