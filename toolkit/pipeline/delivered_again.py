"""Files delivered again under another name: nothing of them enters, and the books say how much that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.pipeline.deliveries import books_by_piece, grown_from
from toolkit.storage import Ledger, PartManifest

_NONE = Ledger("ingest", "bytes")


def delivered_again(files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]) -> Ledger:
    """The books of a source's files whose bytes it had delivered before, under another name.

    ``files`` are the source's files as the root manifest lists them, ``manifests`` those of its
    parts. Nothing of a repeated file enters: its books are those of the first delivery, all of
    it moved to ``removed``.
    """
    again = [file["sha256"] for file in files if file["same_as"] is not None]
    whole = _whole(files, manifests) if again else {}
    return sum((_removed(whole[sha]) for sha in again if sha), _NONE)


def _removed(first: Ledger) -> Ledger:
    removed = {"delivered_again": first.records_in} if first.records_in.records else {}
    return Ledger("ingest", "bytes", first.records_in, removed=removed, overhead=first.overhead)


def _whole(files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]) -> dict[str, Ledger]:
    """By sha256, the books of all that a file held: of what was new in it, and of what it grew from."""
    new: defaultdict[int, Ledger] = defaultdict(lambda: _NONE)
    for manifest in manifests:
        for piece, books in books_by_piece(manifest):
            new[piece["file"]] += books
    whole: list[Ledger] = []
    for place, before in enumerate(grown_from(files)):
        whole.append(new[place] if before is None else whole[before] + new[place])
    landed = (place for place, file in reversed(list(enumerate(files))) if file["same_as"] is None)
    return {files[place]["sha256"]: whole[place] for place in landed}
