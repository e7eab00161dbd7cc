"""CuPy as far as the card's door needs it, in NumPy, and as strict as a card is.

Its arrays do not mix with NumPy's, its memory ends where the pool's limit says, copies to the host arrive
when their stream is waited for and no sooner, and kernels run through the host header.
"""

import ctypes
import sys
import types
from contextlib import contextmanager

import numpy as np

from toolkit.kernels.cuda import Host
from toolkit.kernels.cuda.source import SOURCES, flat


class OutOfMemoryError(MemoryError):
    """What CuPy raises."""


class Pool:
    """Counts bytes that live; ``fail`` says before each allocation whether it fails anyway."""

    def __init__(self):
        self.used, self.peak, self.limit, self.failed = 0, 0, 0, 0
        self.fail = lambda: False

    def set_limit(self, size):
        self.limit = size

    def free_all_blocks(self):
        pass

    def take(self, size):
        if self.fail() or (self.limit and self.used + size > self.limit):
            self.failed += 1
            raise OutOfMemoryError(size)
        self.used += size
        self.peak = max(self.peak, self.used)

    def give(self, size):
        self.used -= size


POOL = Pool()


class Array(np.ndarray):
    """An array on the card: whoever owns memory has it counted."""

    def __array_finalize__(self, other):
        self.counted = 0
        if self.base is None and self.nbytes:
            POOL.take(self.nbytes)
            self.counted = self.nbytes

    def __del__(self):
        POOL.give(self.counted)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        for value in [*inputs, *out]:
            if isinstance(value, np.ndarray) and not isinstance(value, Array):
                raise TypeError(f"Unsupported type {type(value)}")
        given = (np.asarray(value) if isinstance(value, Array) else value for value in inputs)
        if out:
            getattr(ufunc, method)(*given, out=tuple(map(np.asarray, out)), **options)
            return out[0]
        return on_card(getattr(ufunc, method)(*given, **options))

    def __array_function__(self, function, kinds, args, options):
        if any(issubclass(kind, np.ndarray) and kind is not Array for kind in kinds):
            raise TypeError(f"{function.__name__} of arrays here and there")
        return super().__array_function__(function, kinds, args, options)

    def __getitem__(self, key):
        if isinstance(key, np.ndarray) and not isinstance(key, Array):
            raise TypeError("an index that is not on the card")
        return super().__getitem__(key)

    @property
    def data(self):
        return types.SimpleNamespace(
            ptr=self.ctypes.data,
            copy_from_host_async=lambda at, size, stream: ctypes.memmove(self.ctypes.data, at, size),
            copy_to_host_async=lambda at, size, stream: stream.later(self, at, size),
        )


def on_card(values):
    """A copy of its own, counted."""
    values = np.asarray(values)
    made = Array.__new__(Array, values.shape, values.dtype)
    np.copyto(np.asarray(made), values)
    return made


class Stream:
    """Copies to the host wait here; the source lives as long."""

    current = None

    def __init__(self, non_blocking=False):
        self.waiting = []

    def later(self, array, at, size):
        self.waiting.append((array, at, size))

    def synchronize(self):
        for array, at, size in self.waiting:
            ctypes.memmove(at, array.ctypes.data, size)
        self.waiting = []

    def __enter__(self):
        self.before, Stream.current = Stream.current, self
        return self

    def __exit__(self, *_):
        Stream.current = self.before


class RawModule:
    """A source and its defines, found again by their text."""

    def __init__(self, code, options):
        self.source = next(name for name in SOURCES if flat(name) == code)
        self.defines = dict(option[2:].split("=") for option in options if option.startswith("-D"))

    def get_function(self, name):
        def launch(grid, block, args):
            for value in args:
                assert isinstance(value, (Array, np.generic)), "a kernel takes what lies on the card"
            plain = tuple(np.asarray(a) if isinstance(a, Array) else a for a in args)
            Host().launch(self.source, name, grid, block[0], plain, self.defines)

        return launch


class Unowned:
    """Memory that another library has, and keeps while this lives."""

    def __init__(self, ptr, size, owner):
        self.ptr, self.size, self.owner = ptr, size, owner


def lying(size, kind, pointer):
    """An array of memory that lies there already; not counted, since nothing was taken."""
    memory, at = pointer
    assert at + size * np.dtype(kind).itemsize <= memory.size
    held = (ctypes.c_uint8 * memory.size).from_address(memory.ptr)
    held.owner = memory
    return np.frombuffer(held, kind, size, at).view(Array)


def cupy(cards=((b"Imitation", 9, 0, 20 << 30, 24 << 30),), runtime=12090):
    """A module with CuPy's names; ``cards`` are (name, major, minor, bytes free, bytes in all)."""
    module = types.ModuleType("cupy")
    at = [0]

    class Device:
        def __init__(self, number):
            self.number = number

        def use(self):
            at[0] = self.number

        def __enter__(self):
            self.before, at[0] = at[0], self.number

        def __exit__(self, *_):
            at[0] = self.before

    def about(number):
        return dict(zip(("name", "major", "minor"), cards[number], strict=False))

    module.cuda = types.SimpleNamespace(
        Device=Device, Stream=Stream, UnownedMemory=Unowned, MemoryPointer=lambda memory, at: (memory, at),
        get_current_stream=lambda: Stream.current or Stream(),
        runtime=types.SimpleNamespace(
            getDeviceCount=lambda: len(cards), runtimeGetVersion=lambda: runtime,
            getDeviceProperties=about, memGetInfo=lambda: cards[at[0]][3:],
        ),
    )  # fmt: skip
    module.current = at
    module.RawModule, module.get_default_memory_pool = RawModule, lambda: POOL
    for name in ("cumsum", "diff", "lexsort", "argsort", "stack", "concatenate", "searchsorted", "maximum",
                 "flatnonzero"):  # fmt: skip
        setattr(module, name, strict(getattr(np, name)))
    for name in ("empty", "full", "zeros", "ones", "arange"):
        setattr(module, name, made_there(getattr(np, name)))
    module.uint32, module.ndarray = np.uint32, lying
    module.asarray = lambda values: values if isinstance(values, Array) else on_card(values)
    module.ascontiguousarray = lambda values, kind=None: values.astype(kind or values.dtype, "C", copy=False)
    module.asnumpy = lambda values: np.array(values, subok=False)
    return module


def made_there(function):
    """A function of NumPy that makes an array from numbers."""
    return lambda *given: on_card(function(*given))


def strict(function):
    """A function of NumPy that takes arrays of the card only, and gives such back."""

    def call(*given, **named):
        for value in given:
            members = value if isinstance(value, (list, tuple)) else [value]
            assert all(isinstance(member, (Array, int, np.generic)) for member in members), function.__name__
        found = function(*given, **named)
        return found if isinstance(found, Array) else on_card(found)

    return call


@contextmanager
def installed(monkeypatch, **about):
    """CuPy is installed, and this is it."""
    module, more = cupy(**about), types.ModuleType("cupyx")
    more.empty_pinned = np.empty
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupyx", more)
    POOL.__init__()
    yield module
