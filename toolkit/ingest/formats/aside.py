"""What is set aside to the end of a file: pieces of it at once, as its bytes pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from toolkit.ingest.span import Span, pieces


def rest(
    blocks: Iterable[bytes], start: int, stop: int, line: int, fault: str, detail: str, size: int
) -> Iterator[Span]:
    """All from ``start`` on in pieces of ``size`` bytes: ``stop`` is where the ``blocks`` to come begin."""
    for block in chain([b""], blocks):
        stop += len(block)
        full = whole_pieces(start, stop, size)
        yield from pieces(start, full, line, fault, detail, size)
        start = full
    yield from pieces(start, stop, line, fault, detail, size)


def whole_pieces(start: int, stop: int, size: int) -> int:
    """Where the last piece of ``size`` bytes from ``start`` ends that ends by ``stop``."""
    return start + max(stop - start, 0) // size * size
