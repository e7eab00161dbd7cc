"""A top-level JSON array of any size: its elements, verbatim, without reading it whole.

An array that ends early ends in a truncated element, a record like the others. Where the
commas and brackets between elements are wrong, the rest of the file is set aside as
``json.array_broken``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.ingest.formats import json_stream
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span
from toolkit.kernels.json_frame import START

_KIND = json_stream.Kind(START, "json.array_broken")


def cut(blocks: Iterable[bytes], limits: Limits, options: Options | None = None) -> Iterator[Span]:
    """Spans that begin with an element (the first, with the array): see ``json_stream.cut``."""
    return json_stream.cut(blocks, limits, _KIND)


def frames(data: bytes, span: Span, options: Options | None = None) -> Frames:
    """The elements of a span, each from its first byte to its last, as sent; never raises."""
    return json_stream.frames(data, span, _KIND)
