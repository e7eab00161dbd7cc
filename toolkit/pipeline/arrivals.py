"""What is new in a source's files, and the parts it will land in.

    the file's marks are those it had       nothing is read
    its bytes are known                     nothing lands; under another name, that is noted
    JSON lines that only grew               what was added lands, under whatever name
    anything else                           the file lands, beside what it held before

Small files share a part: those that follow each other and fit one shard together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import RequestError
from toolkit.ingest import Limits, Options, form_of
from toolkit.pipeline.deliveries import Delivered, Deliveries, Piece, grown_from
from toolkit.pipeline.growth import Openings
from toolkit.pipeline.growth import openings as openings_of
from toolkit.pipeline.repairs import FORMAT as REPAIRS
from toolkit.pipeline.spec.tables import Ingest, Source
from toolkit.pipeline.watermarks import mark_of, settled_mark
from toolkit.storage import digest_json

if TYPE_CHECKING:
    from toolkit.ingest import Before, Census


@dataclass(frozen=True)
class Arrivals:
    """A source's deliveries, where the bytes of each file still lie, and the marks to remember."""

    deliveries: Deliveries
    paths: Mapping[int, Path]
    marks: Mapping[str, Any]


def arrivals(
    settings: Ingest,
    source: Source,
    named: Sequence[tuple[str, Path]],
    known: Deliveries | None,
    marks: Mapping[str, Any],
    every: Callable[..., Iterator[Any]] = map,
) -> Arrivals:
    """Read the files of ``named`` that are not known by their ``marks``, and add what is new to ``known``.

    ``every`` is a ``map`` that may work in threads. Raises RequestError when the settings that
    decide where files are cut have changed and some of the bytes are gone.
    """
    cut = cut_settings(settings, source)
    before = known if known is not None and known.cut == cut else Deliveries(cut)
    if known is not None and known.cut != cut:
        # Cut anew, files keep the order in which they came: it decides which record stands for an id.
        came = {file.name: place for place, file in enumerate(known.files)}
        named = sorted(named, key=lambda item: came.get(item[0], len(came)))
    openings = functools.cache(lambda: openings_of(before))
    found = list(every(lambda item: _look(settings, source, before, openings, marks, *item), named))
    deliveries = _with_new(before, named, found, settings.shard_bytes)
    if known is not None and known.cut != cut:
        _check_nothing_lost(source, known, deliveries)
    shas = {name: look.sha256 for (name, _), look in zip(named, found, strict=True)}
    paths = dict(_paths(deliveries, dict(named), shas))
    remembered = {
        name: [look.mark, look.sha256]
        for (name, _), look in zip(named, found, strict=True)
        if look.mark is not None
    }
    return Arrivals(deliveries, paths, remembered)


@dataclass(frozen=True)
class _Look:
    """What is known of a file now: its census is None when its marks are those it had."""

    sha256: str
    mark: list[int] | None
    census: Census | None


def _look(
    settings: Ingest,
    source: Source,
    known: Deliveries,
    openings: Callable[[], Openings],
    marks: Mapping[str, Any],
    name: str,
    path: Path,
) -> _Look:
    mark = settled_mark(path)
    old_mark, old_sha = marks.get(name, (None, None))
    if mark is not None and mark == old_mark and known.known_as(old_sha) is not None:
        return _Look(old_sha, mark, None)
    from toolkit.ingest import take_census  # the kernels load only when something is to be read

    form = form_of(name, source.format)
    options = Options(name, source.document)
    limits = Limits(settings.shard_bytes, settings.max_line_bytes)
    census = take_census(path, form, limits, options, _before(known, openings, name, path))
    return _Look(census.sha256, mark if mark == mark_of(path) else None, census)


def _before(known: Deliveries, openings: Callable[[], Openings], name: str, path: Path) -> Iterator[Before]:
    """What a file may have grown from."""
    from toolkit.ingest import Before

    held = openings().of(path, known.last(name))
    return (Before(file.size, file.lines, file.sha256) for file in held)


def _with_new(
    known: Deliveries, named: Sequence[tuple[str, Path]], found: Sequence[_Look], shard_bytes: int
) -> Deliveries:
    files, pieces = list(known.files), []
    first, shas = known.next_delivery, {}
    for file in known.files:
        shas.setdefault(file.sha256, file.name)
    held = {(file.name, file.sha256) for file in known.files}
    for (name, _), look in zip(named, found, strict=True):
        if look.census is None or (name, look.sha256) in held:
            continue
        file = _delivered(name, look.census, first)
        if look.sha256 in shas:
            file = replace(file, same_as=shas[look.sha256], start=0, grown_from=None)
        else:
            pieces.append((file.size, [Piece(len(files), span) for span in look.census.spans]))
        shas.setdefault(look.sha256, name)
        files.append(file)
    return replace(known, files=tuple(files), parts=known.parts + tuple(_parts(pieces, shard_bytes)))


def _delivered(name: str, census: Census, delivery: int) -> Delivered:
    return Delivered(
        name,
        census.sha256,
        census.size,
        census.lines,
        census.codec,
        census.format,
        delivery,
        census.start,
        census.container,
        grown_from=census.grown_from,
    )


def _parts(files: Sequence[tuple[int, Sequence[Piece]]], shard_bytes: int) -> Iterator[tuple[Piece, ...]]:
    """A part a span; files of one span each share a part while they fit a shard together."""
    shared: list[Piece] = []
    room = shard_bytes
    for size, pieces in files:
        if shared and (len(pieces) > 1 or size > room):
            yield tuple(shared)
            shared, room = [], shard_bytes
        if len(pieces) == 1:
            shared += pieces
            room -= size
        else:
            yield from ((piece,) for piece in pieces)
    if shared:
        yield tuple(shared)


def _paths(deliveries: Deliveries, named: Mapping[str, Path], shas: Mapping[str, str]) -> Iterator[Any]:
    """(place in the list, path) of the files whose bytes are there, under whatever name, or begin a file."""
    from toolkit.ingest.codecs import codec_of

    lies: dict[int, Path] = {}
    same = {sha: named[name] for name, sha in reversed(shas.items())}
    files, origins = deliveries.files, grown_from(deliveries.listing())
    for place, file in reversed(list(enumerate(files))):
        path = named[file.name] if shas.get(file.name) == file.sha256 else lies.get(place)
        if path is None and file.sha256 in same and codec_of(same[file.sha256]) == file.codec:
            path = same[file.sha256]
        if path is not None and file.same_as is None:
            yield place, path
            origin = origins[place]
            if origin is not None and files[origin].codec == file.codec:
                lies[origin] = path


def _check_nothing_lost(source: Source, known: Deliveries, now: Deliveries) -> None:
    """RequestError unless all bytes that the lake was given are there to be cut anew."""
    there = {file.sha256 for file in now.files}
    grew = {known.files[place].sha256 for place in grown_from(known.listing()) if place is not None}
    there_again = there | grew
    for file in known.files:
        repaired = file.format == REPAIRS  # these lie in the lake, and land again with it
        if file.sha256 not in there_again and not repaired:
            raise RequestError(
                f"source {source.id!r}: its format, document, shard_bytes or max_line_bytes changed, and "
                f"{file.name} is no longer there as it was delivered, so it cannot be read again. Deliver it "
                "again, take back the change, or give this spec a lake of its own."
            )


def cut_settings(settings: Ingest, source: Source) -> str:
    """The hash of what decides where a source's files are cut."""
    return digest_json([source.format, source.document, settings.shard_bytes, settings.max_line_bytes])
