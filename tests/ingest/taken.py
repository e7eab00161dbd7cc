"""Taking bytes in and reading back what came of them, and slow oracles of both."""

import base64
import json

from toolkit.ingest import Door, Limits, Options, Part, Span, land, payload_of, take_census
from toolkit.ingest.landing import read_spans

DOOR = Door("src", "synthetic", 1, "mit", True, None, "2026-01-02", "run")
HUGE = 1 << 30


def take(data, span=None, door=DOOR, max_line=HUGE, name="f.jsonl", form="jsonl", **more):
    """One span of bytes through the door."""
    part = Part(door, max_line, **more)
    land(part, span or Span(0, len(data), 1), data, form, Options(name))
    return part


def take_file(path, shard=HUGE, form="jsonl", max_line=HUGE, largest=HUGE, before=()):
    """A file through the door: its census and the part of each of its spans."""
    options = Options("f.jsonl")
    census = take_census(path, form, Limits(shard, largest), options, before)
    parts = [Part(DOOR, max_line) for _ in census.spans]
    data = read_spans(path, census.codec, census.spans)
    for part, span, raw in zip(parts, census.spans, data, strict=True):
        land(part, span, raw, census.format, options)
    return census, parts


def bronze(part):
    """The bronze lines of a part, end to end."""
    return b"".join(lines.tobytes() for lines in part.bronze)


def accepted(part):
    """(origin, payload bytes) of each bronze line."""
    split = [payload_of(line) for line in bronze(part).split(b"\n")[:-1]]
    return [(json.loads(head)["origin"], payload) for head, payload in split]


def quarantined(part):
    """(origin, raw bytes) of each quarantined line."""
    entries = [json.loads(line) for line in part.quarantine]
    return [(entry["origin"], base64.b64decode(entry["raw"])) for entry in entries]


def reasons(part):
    """The reason of each quarantined line."""
    return [json.loads(line)["reason"] for line in part.quarantine]


def carried(part):
    """The provenance of the first bronze line."""
    return json.loads(payload_of(bronze(part).split(b"\n")[0])[0])


def naive_lines(data):
    """(line number, offset, bytes) of every line that is not blank: the framing, one byte at a time."""
    lines, line, start, number = [], bytearray(), 0, 1
    for at, byte in enumerate([*data, None]):
        if byte in (10, None):
            cut = bytes(line[:-1] if byte == 10 and line.endswith(b"\r") else line)
            lines.append((number, start, cut))
            line, start, number = bytearray(), at + 1, number + 1
        else:
            line.append(byte)
    if data.startswith(b"\xef\xbb\xbf"):
        lines[0] = (1, 3, lines[0][2][3:])
    return [(n, offset, line) for n, offset, line in lines if line.strip(b" \t\r")]
