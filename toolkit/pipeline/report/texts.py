"""The texts of the few records that are shown, fetched from bronze by their origin."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from toolkit.ingest import payload_of
from toolkit.pipeline.report.lake import Excerpt, Lake, Place, cut
from toolkit.records import SchemaError, canonical, compared_text, decode_payload
from toolkit.storage import open_shard, part_of, read_array, shards

_ID = slice(14, 78)  # a bronze line begins {"record_id":"<64 hex digits>


def add_texts(lake: Lake, rows: Iterable[dict[str, Any]]) -> None:
    """Put an excerpt beside every place: ``excerpt`` and, where a record was kept, ``kept_excerpt``."""
    rows = list(rows)
    places = {row[name] for row in rows for name in ("place", "kept_place") if row.get(name)}
    texts = texts_of(lake, places)
    for row in rows:
        row["excerpt"] = texts.get(row["place"])
        row["kept_excerpt"] = texts.get(row.get("kept_place"))


def texts_of(lake: Lake, places: set[Place]) -> dict[Place, Excerpt]:
    """The compared text of each record that bronze still holds, every shard read at most once."""
    by_source: dict[str, dict[bytes, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place in sorted(places):
        by_source[place.source][place.id.encode()].append(place)
    declared = {source.id: source for source in lake.spec.source}
    found = {}
    for name, wanted in by_source.items():
        source = declared.get(name)
        regime, mapping = (source.regime, source.map) if source else ("auto", {})
        missing = set(wanted)
        for shard in shards(lake.root / "bronze" / name):
            here = _in_shard(shard, missing)
            for identity, line in _bronze(shard, here) if here else ():
                text = cut(_text_of(line, regime, mapping))
                found |= dict.fromkeys(wanted[identity], text)
                missing.discard(identity)
    return found


def _in_shard(shard: Path, wanted: set[bytes]) -> set[bytes]:
    """Which of these ids a shard holds, from the list of ids beside it."""
    high = read_array(shard.with_name(f"{part_of(shard)}.ids.npy"))[:, 0]
    names = sorted(wanted)
    held = np.isin(np.array([int(name[:16], 16) for name in names], np.uint64), high)
    return {name for name, here in zip(names, held.tolist(), strict=True) if here}


def _bronze(path: Path, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(id, line) of the wanted records of a shard; stops at the last of them."""
    with open_shard(path) as stream:
        for line in io.BufferedReader(stream, 1 << 20):
            if line[_ID] in wanted:
                wanted.discard(line[_ID])
                yield line[_ID], line.rstrip(b"\n")
                if not wanted:
                    return


def _text_of(line: bytes, regime: str, mapping: Mapping[str, Sequence[str]]) -> str:
    payload = payload_of(line)[1]
    try:
        return compared_text(canonical(decode_payload(payload), regime, mapping))
    except (SchemaError, msgspec.MsgspecError):
        return payload.decode("utf-8", "backslashreplace")
