"""A file that can be read from anywhere: itself, or a decompressed copy for as long as it is needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.ingest.codecs import Damage, decompressed


@contextmanager
def unpacked(path: Path, codec: str | None) -> Iterator[Path]:
    """Yield ``path``, or a temporary plain copy of as much of it as can be decompressed."""
    if codec is None:
        yield path
        return
    with tempfile.NamedTemporaryFile() as file:
        with suppress(Damage):
            file.writelines(decompressed(path, codec))
        file.flush()
        yield Path(file.name)
