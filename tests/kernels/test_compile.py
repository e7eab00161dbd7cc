"""Kernels compile at first use, for the types that they declare, whoever comes first."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from numba import njit, types

from toolkit.kernels.compile import kernel


def made():
    @kernel(types.int64(types.int64))
    def inner(x):
        return x + 1

    @kernel(types.int64(types.int64))
    def outer(x):
        return 2 * inner(x)

    return inner, outer


def test_nothing_is_compiled_before_the_first_call():
    inner, outer = made()
    assert not inner.signatures and not outer.signatures
    assert outer(3) == 8
    assert outer.signatures == [(types.int64,)]


def test_other_types_are_converted_or_refused_but_never_compiled_for():
    _, outer = made()
    assert outer(True) == 4
    with pytest.raises(TypeError):
        outer("three")
    assert outer.signatures == [(types.int64,)]


def test_threads_that_come_at_once_find_one_kernel():
    inner, outer = made()
    together = threading.Barrier(8)

    @njit(nogil=True)
    def caller(x):
        return outer(x) + inner(x)

    def call(number):
        together.wait()
        return (inner, outer, caller)[number % 3](number)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [1, 4, 9, 4, 10, 18, 7, 16]
    assert inner.signatures == outer.signatures == [(types.int64,)]
