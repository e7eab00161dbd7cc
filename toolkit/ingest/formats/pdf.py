"""A PDF as one record: a preview of its text, page by page, as pypdf finds it.

Not a layout, not OCR: columns may run together, and a scanned page has no text. Pages are joined by
form feeds. What the library would print or warn of stays silent; what it can not read is a fault.
"""

from __future__ import annotations

import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.errors import MissingExtra
from toolkit.ingest.formats.whole import cut, framed, nothing
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Span

__all__ = ["cut", "frames", "require"]

MAX_PAGES = 20_000
MAX_TEXT = 1 << 26
"""Characters: a small file may hold one stream that thousands of pages draw."""


def require() -> None:
    """MissingExtra unless the PDF library is installed."""
    _library()


def _library() -> Any:
    try:
        with _silence():
            return importlib.import_module("pypdf")
    except ImportError as error:
        raise MissingExtra("PDF sources", "extract") from error


def frames(data: bytes, span: Span, options: Options) -> Frames:
    """One record ``{"path", "pages", "text", "preview": true}``.

    Faults: ``pdf.damaged``, ``pdf.encrypted``, ``pdf.no_text``. MissingExtra without the library.
    """
    library = _library()
    if not data:
        return nothing({})
    found = _extract(library, data)
    return framed(data, span, {"path": options.name, **found} if isinstance(found, dict) else found)


def _extract(library: Any, data: bytes) -> dict[str, Any] | tuple[str, str]:
    try:
        with _silence():
            reader = library.PdfReader(io.BytesIO(data), strict=False)
            if reader.is_encrypted:
                return "pdf.encrypted", "a password is set"
            pages = list(_pages(reader))
    except Exception as error:  # pypdf raises anything at all on damaged files, RecursionError too
        return "pdf.damaged", _shortened(error)
    text = "\f".join(pages).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not text.strip():
        return "pdf.no_text", f"{len(pages)} pages without text"
    return {"pages": len(pages), "text": text, "preview": True}


def _pages(reader: Any) -> Iterator[str]:
    size = 0
    for number, page in enumerate(reader.pages):
        if number >= MAX_PAGES:
            raise ValueError(f"more than {MAX_PAGES} pages")
        text = page.extract_text()
        size += len(text)
        if size > MAX_TEXT:
            raise ValueError(f"more than {MAX_TEXT} characters of text")
        yield text


def _shortened(error: BaseException) -> str:
    message = " ".join(str(error).split()).encode("utf-8", "replace").decode()
    return f"{type(error).__name__}: {message}"[:160]


@contextmanager
def _silence() -> Iterator[None]:
    """Neither a log line nor a warning of the library reaches anybody."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
