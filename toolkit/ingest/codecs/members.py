"""Members that follow each other, with or without zero bytes between them: gz, bz2 and xz."""

from __future__ import annotations

from collections.abc import Generator

from toolkit.ingest.codecs.checked import checked_member
from toolkit.ingest.codecs.gz import gz_member
from toolkit.ingest.codecs.tape import STEP, Blocks, Tape


def member_blocks(tape: Tape, codec: str) -> Blocks:
    """What all members of a gz, bz2 or xz file give; raises Damage at the first that is not whole."""
    data = tape.read(STEP[codec])
    while data:
        data = data.lstrip(b"\0")  # padding between members, as in a tar file or by xz
        if data:
            tape.begin(data)
            member = gz_member(tape, data) if codec == "gz" else checked_member(tape, data, codec)
            data = yield from _counted(tape, member)
        data = data or tape.read(STEP[codec])


def _counted(tape: Tape, blocks: Generator[bytes, None, bytes]) -> Generator[bytes, None, bytes]:
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            return end.value
        tape.given += len(block)
        yield block
