"""One JSON value over many lines, or several one after another with only blanks between.

A value begins with a bracket, a quote, a digit, a minus or the first letter of a literal. At
any other byte outside a value the rest of the file is set aside as ``json.values_broken``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.ingest.formats import json_stream
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span
from toolkit.kernels.json_frame import VALUES

_KIND = json_stream.Kind(VALUES, "json.values_broken")


def cut(blocks: Iterable[bytes], limits: Limits, options: Options | None = None) -> Iterator[Span]:
    """Spans that begin with a value: see ``json_stream.cut``."""
    return json_stream.cut(blocks, limits, _KIND)


def frames(data: bytes, span: Span, options: Options | None = None) -> Frames:
    """The values of a span, each from its first byte to its last, as sent; never raises."""
    return json_stream.frames(data, span, _KIND)
