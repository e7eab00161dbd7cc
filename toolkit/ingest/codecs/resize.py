"""Blocks of a size that suits whoever reads them."""

from __future__ import annotations

from toolkit.ingest.codecs.tape import OUT, Blocks, Damage


def resized(blocks: Blocks, size: int) -> Blocks:
    """Cut blocks to ``size``, and join small ones, which cost whoever reads them more than they hold."""
    held: list[bytes] = []
    room = small = min(size, OUT // 4)
    damage = None
    try:
        for block in blocks:
            if len(block) >= room:
                yield from _flushed(held)
                yield from (block[at : at + size] for at in range(0, len(block), size))
                room = small
            elif block:
                held.append(block)
                room -= len(block)
    except Damage as error:
        damage = error
    yield from _flushed(held)
    if damage is not None:
        raise damage


def _flushed(held: list[bytes]) -> Blocks:
    if held:
        yield b"".join(held)
        held.clear()
