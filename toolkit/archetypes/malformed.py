"""A dozen and more ways for a line to be broken, each with the reason a reader should give.

The problem: a reader is tested only by lines whose fault is known exactly. Every maker takes a
sound example and returns bytes with one fault and no other: faults inside text go where a
private-use character was put between two words, so no escape and no multi-byte character is cut
by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from toolkit.archetypes.draws import Draws
from toolkit.archetypes.feed import Feed
from toolkit.archetypes.sample import Sample

MARK = "\ue000"
_MARK = MARK.encode()
_IN_TEXT: dict[str, tuple[bytes, ...]] = {
    "utf8.invalid": (b"\xff", b"\xc3", b"\xe2\x82", b"\x80", b"\xed\xa0\xbd"),
    "json.nul_byte": (b"\x00",),
    "text.lone_surrogate": (b"\\ud83d", b"\\udc00", b"x\\ud83dx"),
}
_encode = msgspec.json.encode


def interrupt(sample: Sample, inserted: str) -> Sample:
    """Insert text, as words of its own, near the middle of the longest text of an example."""
    # not every rl shape writes the rationale down; all write the question
    spots = range(1 if "answer" in sample.roles else len(sample.texts))
    at = max(spots, key=lambda i: len(sample.texts[i]))
    text = sample.texts[at]
    cut = text.find(" ", len(text) // 2)
    cut = len(text) if cut < 0 else cut
    changed = f"{text[:cut]} {inserted}{text[cut:]}"
    return sample._replace(texts=(*sample.texts[:at], changed, *sample.texts[at + 1 :]))


def _truncated(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    line = _encode(feed.render(interrupt(sample, MARK), meta))
    return line[: line.index(_MARK)].rstrip()


def _trailing(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    line = _encode(feed.render(sample, meta))
    return line + draws.pick((b"}", b" ]", b",", b" null", b'{"id":1}', b" // end"))


def _not_object(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    line = _encode(feed.render(sample, meta))
    return draws.pick((b"[" + line + b"]", b'"see the next line"', b"17", b"null", b"true", b"[]"))


def _empty_object(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    return draws.pick((b"{}", b"{ }"))


def _too_deep(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    line, depth = _encode(feed.render(sample, meta)), 66 + draws.below(100)
    nested = b"[" * depth + b"]" * depth
    if draws.below(2):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
    return line[:-1] + b',"extra":' + nested + b"}"


def _non_finite(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    line = _encode(feed.render(sample, meta))
    return line[:-1] + b',"weight":' + draws.pick((b"NaN", b"Infinity", b"-Infinity")) + b"}"


def _invalid(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    line = _encode(feed.render(interrupt(sample, MARK), meta))
    kind = draws.below(4)
    if kind == 0:
        return line.replace(_MARK, b"").replace(b'"', b"'")
    if kind == 1:
        return line.replace(_MARK, b"").replace(b'":', b'"=', 1)
    return line.replace(_MARK, b"\x01" if kind == 2 else b"\\q")


def _unrecognised(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    return _encode({"event": "page_view", "page": f"/p/{meta % 9973}", "ms": meta >> 50, "ok": True})


def _bad_role(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    record = feed.render(sample, meta)
    record["messages"][-1]["role"] = draws.pick(("narrator", "critic", "Moderator", ""))
    return _encode(record)


def _empty_response(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    empty = sample._replace(texts=(*sample.texts[:-1], draws.pick(("", " ", "\n\n", "\t \u00a0"))))
    return _encode(feed.render(empty, meta))


def _leaf(record: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *parents, name = path.split(".")
    for parent in parents:
        record = record[parent]
    return record, name


def _missing(side: str) -> Callable[[Feed, Sample, int, Draws], bytes]:
    def make(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
        record = feed.render(sample, meta)
        parent, name = _leaf(record, feed.source.map[side])
        del parent[name]
        return _encode(record)

    return make


def _wrong_type(feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    record = feed.render(sample, meta)
    if feed.source.map:
        parent, name = _leaf(record, feed.source.map[draws.pick(("prompt", "response"))])
        parent[name] = draws.pick((42, ["a", "list"], None, {"text": "nested"}))
    else:
        record["messages"][-1]["content"] = draws.below(1000)
    return _encode(record)


_MAKERS: dict[str, Callable[[Feed, Sample, int, Draws], bytes]] = {
    "json.truncated": _truncated,
    "json.trailing_garbage": _trailing,
    "json.not_object": _not_object,
    "json.empty_object": _empty_object,
    "json.too_deep": _too_deep,
    "json.non_finite": _non_finite,
    "json.invalid": _invalid,
    "schema.unrecognised": _unrecognised,
    "schema.bad_role": _bad_role,
    "schema.empty_response": _empty_response,
    "schema.missing_prompt": _missing("prompt"),
    "schema.missing_response": _missing("response"),
    "schema.wrong_type": _wrong_type,
}
CODES = (*_IN_TEXT, *_MAKERS)
ANYWHERE = tuple(code for code in CODES if not code.startswith("schema."))


def malformed(code: str, feed: Feed, sample: Sample, meta: int, draws: Draws) -> bytes:
    """Return the bytes of one line, without its end, that is wrong in the way ``code`` names."""
    if code in _IN_TEXT:
        line = _encode(feed.render(interrupt(sample, MARK), meta))
        return line.replace(_MARK, draws.pick(_IN_TEXT[code]))
    return _MAKERS[code](feed, sample, meta, draws)
