"""The sha256 of every row, with no Python object a row: three ways, the first that gives the known answers.

    pairs      two rows at a time by the processor's instructions (``sha256_pair``), where it has them
    library    the three functions that hashlib calls, called from a kernel by their addresses
    hashlib    0.7 us a call before it hashes a byte, ten times what the library's functions cost

The addresses are arguments, not part of the machine code, so the kernel is cached like any other.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from toolkit.kernels import sha256_pair
from toolkit.kernels.compile import BYTES, I64S, OUT_DIGESTS, OUT_U64S, kernel, pointer

SIZE = 32
_CONTEXT_WORDS = 64  # OpenSSL's SHA256_CTX takes 112 bytes: 14 words. The rest is room to spare.
_KNOWN = (b"", b"abc", bytes(range(256)) * 3)
_VOID, _INT, _WORD = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)


def _call(builder: ir.IRBuilder, address: ir.Value, kinds: list[ir.Type], values: list[ir.Value]) -> ir.Value:
    function = builder.inttoptr(address, ir.FunctionType(_INT, kinds).as_pointer())
    return builder.call(function, values)


@intrinsic
def hash_bytes(typing_context, init, update, final, context, text, start, size, out, at):
    """Run the three functions over ``size`` bytes at ``text + start``; 1 if all of them say 1.

    ``context`` points to their working memory; the digest goes to ``out + at``.
    """

    def code(_, builder, signature, arguments):
        init, update, final, memory, text, start, size, out, at = arguments
        memory = builder.bitcast(memory, _VOID)
        source, target = builder.gep(text, [start]), builder.gep(out, [at])
        one = _call(builder, init, [_VOID], [memory])
        two = _call(builder, update, [_VOID, _VOID, _WORD], [memory, source, size])
        three = _call(builder, final, [_VOID, _VOID], [target, memory])
        return builder.and_(one, builder.and_(two, three))

    kinds = (init, update, final, context, text, start, size, out, at)
    return types.int32(*kinds), code


@kernel(types.boolean(BYTES, I64S, I64S, types.uint64, types.uint64, types.uint64, OUT_U64S, OUT_DIGESTS))
def hash_rows(data, start, stop, init, update, final, context, out):
    """Write the digest of each row ``data[start[i]:stop[i]]``; False if the library refuses one."""
    text, memory, target, good = pointer(data), pointer(context), pointer(out), True
    for row in range(len(start)):
        size = stop[row] - start[row]
        good &= hash_bytes(init, update, final, memory, text, start[row], size, target, row * SIZE) == 1
    return good


@functools.cache
def addresses() -> tuple[int, int, int] | None:
    """Where the interpreter's libcrypto has SHA256_Init, _Update and _Final; None if they cannot be used."""
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        functions = [getattr(library, f"SHA256_{name}") for name in ("Init", "Update", "Final")]
    except (ImportError, AttributeError, OSError):
        return None
    found = tuple(ctypes.cast(function, ctypes.c_void_p).value for function in functions)
    return found if _answers(found) else None


@functools.cache
def paired() -> bool:
    """Whether this processor hashes two rows at a time, with the known answers."""
    return sha256_pair.AVAILABLE and _knows(by_pairs)


def _answers(found: tuple[int, int, int]) -> bool:
    return _knows(lambda *rows: by_library(*rows, found))


def _knows(way: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray | None]) -> bool:
    """Whether a way gives the digests that hashlib gives."""
    ends = np.cumsum([len(text) for text in _KNOWN])
    rows = np.frombuffer(b"".join(_KNOWN), np.uint8), ends - [len(text) for text in _KNOWN], ends
    found = way(*rows)
    return found is not None and np.array_equal(found, by_hashlib(*rows))


def by_pairs(data: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """As ``digests``, by the processor's own instructions."""
    out = np.empty((len(start), SIZE), np.uint8)
    sha256_pair.hash_pairs(data, start, stop, sha256_pair.START, out)
    return out


def by_library(
    data: np.ndarray, start: np.ndarray, stop: np.ndarray, found: tuple[int, int, int]
) -> np.ndarray | None:
    """As ``digests``, by the functions at ``found``; None if they refuse a row."""
    out, context = np.empty((len(start), SIZE), np.uint8), np.zeros(_CONTEXT_WORDS, np.uint64)
    return out if hash_rows(data, start, stop, *map(np.uint64, found), context, out) else None


def by_hashlib(data: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """As ``digests``, one call of hashlib a row."""
    view, out = memoryview(data), bytearray()
    for a, b in zip(start.tolist(), stop.tolist(), strict=True):
        out += hashlib.sha256(view[a:b]).digest()
    return np.frombuffer(out, np.uint8).reshape(-1, SIZE)


def digests(data: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Hash the rows ``data[start[i]:stop[i]]`` (uint8, int64, int64): sha256 as uint8 (m, 32)."""
    if paired():
        return by_pairs(data, start, stop)
    found = addresses()
    out = None if found is None else by_library(data, start, stop, found)
    return by_hashlib(data, start, stop) if out is None else out
