"""The texts of the few records that are shown, fetched from bronze by their origin."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from toolkit.ingest import payload_of
from toolkit.pipeline.report.lake import Excerpt, Lake, Place, cut
from toolkit.records import SchemaError, canonical, compared_text, decode_payload

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
    by_shard: dict[str, dict[bytes, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place in sorted(places):
        if (shard := _shard_of(lake, place)) is not None:
            by_shard[shard][place.id.encode()].append(place)
    declared = {source.id: source for source in lake.spec.source}
    found = {}
    for shard, wanted in by_shard.items():
        source = declared.get(shard.split("/")[1])
        regime, mapping = (source.regime, source.map) if source else ("auto", {})
        for identity, line in _bronze(lake.root / shard, set(wanted)):
            text = cut(_text_of(line, regime, mapping))
            found |= dict.fromkeys(wanted[identity], text)
    return found


def _shard_of(lake: Lake, place: Place) -> str | None:
    for path, part in lake.parts.items():
        start, stop, _ = part["facts"]["span"]
        inside = part["facts"]["file"] == place.path and start <= place.offset < stop
        if inside and path.split("/")[1] == place.source:
            return path.removesuffix(".manifest.json") + ".jsonl.zst"
    return None


def _bronze(path: Path, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(id, line) of the wanted records of a shard; stops at the last of them."""
    with pa.input_stream(str(path), compression="zstd") as stream:
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
