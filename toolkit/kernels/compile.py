"""One way to declare a kernel: typed, cached on disk, free of the interpreter lock.

An explicit signature makes Numba compile once, at first use, and load from disk ever after. A kernel
that only others call is never loaded by itself: it is in their machine code. To load all of them at
import would cost every command half a second.
Inputs are declared read-only because Arrow's buffers are; a writable array is accepted too.
Every integer that meets a ``uint64`` must be one itself: Numba turns uint64 + int64 into
float64, which would lose bits without a word.

Numba notices a changed file, not a changed callee in another file. After editing a kernel
that others call (``mix64``, ``cut``), delete the ``__pycache__`` folders beside it;
``known_answer`` fails on a stale one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys
from numba.core.typeinfer import register_dispatcher
from numba.extending import intrinsic


def _array(dtype: types.Type, dims: int = 1, readonly: bool = True) -> types.Array:
    return types.Array(dtype, dims, "C", readonly=readonly)


BYTES = _array(types.uint8)
OUT_FLAGS = _array(types.boolean, readonly=False)
I32S = _array(types.int32)
I64S = _array(types.int64)
U64S = _array(types.uint64)
U32S = _array(types.uint32)
PAIRS = _array(types.int64, 2)
SIGNATURES = _array(types.uint32, 2)
OUT_BYTES = _array(types.uint8, readonly=False)
OUT_I64S = _array(types.int64, readonly=False)
OUT_U64S = _array(types.uint64, readonly=False)
OUT_U32S = _array(types.uint32, readonly=False)
OUT_PAIRS = _array(types.int64, 2, readonly=False)
OUT_SIGNATURES = _array(types.uint32, 2, readonly=False)
OUT_DIGESTS = _array(types.uint8, 2, readonly=False)
OUT_U64_TABLE = _array(types.uint64, 2, readonly=False)


POINTER = types.CPointer(types.uint8)
I64_POINTER = types.CPointer(types.int64)
I32_POINTER = types.CPointer(types.int32)
U32_POINTER = types.CPointer(types.uint32)
U64_POINTER = types.CPointer(types.uint64)


@intrinsic
def pointer(typing_context, array):
    """Where an array's bytes begin.

    Small functions called per word take this instead of the array: Numba counts references to
    an array argument with atomic operations, which would cost more than hashing the word.
    """

    def code(context, builder, signature, arguments):
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), code


def _load_lightly(cache: Any) -> None:
    """Load machine code without what only a compiler needs: Numba's view of NumPy takes 0.3 s to import."""
    whole, bare = cache.load_overload, getattr(cache, "_load_overload", None)

    def load(signature: object, target: Any) -> Any:
        rtsys.initialize(target)  # has the symbols that the code refers to
        found = bare(signature, target)
        return whole(signature, target) if found is None else found

    if bare is not None:
        cache.load_overload = load


def kernel(signature: object, inline: bool = True):
    """Compile a function for ``signature``; cache the machine code beside its source.

    ``inline`` puts it into the kernels that call it; say False for what is rare and long.
    """

    def declare(function: Callable[..., Any]) -> Any:
        found = njit(cache=True, nogil=True, forceinline=inline)(function)
        if hasattr(found, "_cache"):  # not where NUMBA_DISABLE_JIT leaves plain Python
            _load_lightly(found._cache)

        def settle() -> None:
            with global_compiler_lock:  # of two threads that come at once one compiles
                if found._can_compile:
                    with register_dispatcher(found):
                        found.compile(signature)
                    found.disable_compile()
                for hook in ("_compile_for_args", "get_call_template"):
                    vars(found).pop(hook, None)

        def called(*_: Any) -> Any:
            settle()
            return found  # which is then called again

        def called_by_another(args: Any, kwargs: Any) -> Any:
            settle()
            return found.get_call_template(args, kwargs)

        # The two ways in which Numba asks a function for machine code that it does not have yet.
        found._compile_for_args, found.get_call_template = called, called_by_another
        return found

    return declare
