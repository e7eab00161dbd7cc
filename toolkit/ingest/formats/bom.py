"""A UTF-8 byte-order mark: three bytes that are no text where a file begins."""

from __future__ import annotations

import codecs


def mark_length(data: bytes) -> int:
    """The bytes of the mark that ``data`` begins with: 3, or 0."""
    return len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
