"""One module a format: how its bytes are cut into spans, and what records lie in a span."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.ingest.formats.code import SUFFIXES as CODE
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span


@dataclass(frozen=True)
class Format:
    """A way to read bytes: the ``module`` that does it, loaded at first use, and its files' ``suffixes``.

    ``text``: the bytes are UTF-8. ``multiline``: a record may go over several lines. ``dialect``
    ends the names of the functions where a module reads several.
    """

    module: str
    suffixes: tuple[str, ...] = ()
    text: bool = True
    multiline: bool = False
    dialect: str = ""

    def cut(self, blocks: Iterable[bytes], limits: Limits, options: Options) -> Iterator[Span]:
        """The spans of a whole file."""
        return self._function("cut")(blocks, limits, options)

    def frames(self, data: bytes, span: Span, options: Options) -> Frames:
        """The records of a span, whose bytes are ``data``."""
        return self._function("frames")(data, span, options)

    def _function(self, name: str) -> Any:
        module = importlib.import_module(f"toolkit.ingest.formats.{self.module}")
        return getattr(module, name + self.dialect)


FORMATS = {
    "jsonl": Format("jsonl", (".jsonl", ".ndjson")),
    "json": Format("json_values", (".json",), multiline=True),
    "json_array": Format("json_array", multiline=True),
    "csv": Format("delimited", (".csv",), dialect="_csv"),
    "tsv": Format("delimited", (".tsv",), dialect="_tsv"),
    "parquet": Format("parquet", (".parquet",), text=False),
    "text": Format("text", (".txt", ".text", ".md")),
    "html": Format("html", (".html", ".htm", ".xhtml"), text=False),
    "code": Format("code", CODE),
    "pdf": Format("pdf", (".pdf",), text=False),
}
