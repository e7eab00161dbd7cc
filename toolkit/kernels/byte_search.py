"""The next byte of a kind, 32 at a time, and how many lines end in between.

Most of a text file is none of the bytes that a framing must stop at. A loop over single bytes
mispredicts at the end of every run; one vector comparison and a count of zeros does not.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from toolkit.kernels.compile import POINTER, kernel

_LANES = 32


def _load(builder, text, at):
    lanes = ir.VectorType(ir.IntType(8), _LANES)
    return builder.load(builder.bitcast(builder.gep(text, [at]), lanes.as_pointer()), align=1)


def _first(builder, chunk, alike, below=0):
    """The lane of the first byte that equals one of ``alike`` or is less than ``below``; 32 if none."""
    hits = builder.icmp_unsigned("<", chunk, chunk.type([ir.IntType(8)(below)] * _LANES))
    for byte in alike:
        hits = builder.or_(hits, builder.icmp_unsigned("==", chunk, _splat(builder, chunk.type, byte)))
    mask = builder.bitcast(hits, ir.IntType(_LANES))
    return builder.zext(builder.cttz(mask, ir.IntType(1)(0)), ir.IntType(64))


@intrinsic
def ahead(typing_context, text, at, one, other):
    """How far from ``at`` the first of two byte values is, within 32 bytes; 32 if there is none."""

    def code(context, builder, signature, arguments):
        return _first(builder, _load(builder, *arguments[:2]), arguments[2:])

    return types.int64(POINTER, types.int64, types.uint8, types.uint8), code


@intrinsic
def plain_ahead(typing_context, text, at, stop_byte):
    """How many of the 32 bytes from ``at`` JSON writes as they are and are not ``stop_byte``."""

    def code(context, builder, signature, arguments):
        own = [ir.IntType(8)(byte) for byte in b'"\\']
        return _first(builder, _load(builder, *arguments[:2]), [*own, arguments[2]], below=32)

    return types.int64(POINTER, types.int64, types.uint8), code


@intrinsic
def copy_32(typing_context, text, at, out, to):
    """Copy 32 bytes."""

    def code(context, builder, signature, arguments):
        chunk = _load(builder, *arguments[:2])
        target = builder.gep(arguments[2], [arguments[3]])
        builder.store(chunk, builder.bitcast(target, chunk.type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(POINTER, types.int64, POINTER, types.int64), code


def _splat(builder, lanes, byte):
    single = builder.insert_element(ir.Constant(lanes, ir.Undefined), byte, ir.IntType(32)(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), None))


@kernel(types.int64(POINTER, types.int64, types.int64, types.uint8, types.uint8))
def next_of(text, at, stop, one, other):
    """The first place from ``at`` on that holds either byte value, or ``stop``."""
    while at + 32 <= stop:
        found = ahead(text, at, one, other)
        at += found
        if found < 32:
            return at
    while at < stop and text[at] != one and text[at] != other:
        at += 1
    return at


@kernel(types.boolean(types.uint8, types.uint8))
def is_plain(byte, stop_byte):
    """Whether JSON writes a byte as it is, and it is not ``stop_byte``."""
    return byte >= 32 and byte != 34 and byte != 92 and byte != stop_byte


@kernel(types.int64(POINTER, types.int64, types.int64, types.uint8))
def skip_plain(text, at, stop, stop_byte):
    """The first place from ``at`` on that JSON must escape or that holds ``stop_byte``, or ``stop``."""
    while at + 32 <= stop:
        found = plain_ahead(text, at, stop_byte)
        at += found
        if found < 32:
            return at
    while at < stop and is_plain(text[at], stop_byte):
        at += 1
    return at


@kernel(types.int64(POINTER, types.int64, types.int64, types.uint8, POINTER, types.int64))
def copy_plain(text, at, stop, stop_byte, out, to):
    """``skip_plain``, copying what is skipped to ``out[to:]``, which must have 32 bytes to spare."""
    while at + 32 <= stop:
        copy_32(text, at, out, to)
        found = plain_ahead(text, at, stop_byte)
        at += found
        to += found
        if found < 32:
            return at
    while at < stop and is_plain(text[at], stop_byte):
        out[to] = text[at]
        at += 1
        to += 1
    return at


@kernel(types.int64(POINTER, types.int64, types.int64))
def line_ends(text, start, stop):
    """How many LF lie in ``text[start:stop]``."""
    found = 0
    for at in range(start, stop):
        found += text[at] == 10
    return found
