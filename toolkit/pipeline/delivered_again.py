"""Files delivered again under another name: nothing of them enters, and the books say how much that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.pipeline.deliveries import books_by_piece
from toolkit.storage import Ledger, PartManifest


def delivered_again(files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]) -> Ledger:
    """The books of a source's files whose bytes it had delivered before, under another name.

    ``files`` are the source's files as the root manifest lists them, ``manifests`` those of its
    parts. Nothing of a repeated file enters: its books are those of the first delivery, all of
    it moved to ``removed``.
    """
    books = Ledger("ingest", "bytes")
    for file in files:
        if file["same_as"] is not None:
            first = sum(_books_of(files, file, manifests), Ledger("ingest", "bytes"))
            removed = {"delivered_again": first.records_in} if first.records_in.records else {}
            books += Ledger("ingest", "bytes", first.records_in, removed=removed, overhead=first.overhead)
    return books


def _books_of(
    files: Sequence[Mapping[str, Any]], again: Mapping[str, Any], manifests: Sequence[PartManifest]
) -> Iterator[Ledger]:
    """The books of each piece of the bytes that ``again`` repeats."""
    places = _chain(files, again)
    for manifest in manifests:
        yield from (books for piece, books in books_by_piece(manifest) if piece["file"] in places)


def _chain(files: Sequence[Mapping[str, Any]], again: Mapping[str, Any]) -> set[int]:
    """Places of the files whose new bytes, together, are those of ``again``: a file and what it grew from."""
    places: set[int] = set()
    sha: str | None = again["sha256"]
    while sha is not None:
        place = next(k for k, file in enumerate(files) if file["sha256"] == sha and file["same_as"] is None)
        places.add(place)
        name, size, sha = files[place]["name"], files[place]["start"], None
        if size:
            before = [file for file in files[:place] if file["name"] == name and file["size"] == size]
            sha = before[-1]["sha256"]
    return places
