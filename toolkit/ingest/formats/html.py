"""A web page as one record: its path, its title, its visible text.

Left out are scripts, styles, templates, ``noscript``, frames and the head. Block elements and list
items stand on lines of their own, ``<br>`` is a line break, table cells are divided by a tab, runs
of white space are one space but in ``<pre>``, and entities are decoded. Only UTF-8 is read: the
byte-order mark decides, then ``<meta>`` within the first 1,024 bytes (the HTML Standard's prescan),
then nothing but UTF-8 is assumed.
"""

from __future__ import annotations

import codecs
import importlib
import re
from collections import Counter
from typing import Any

from toolkit.errors import MissingExtra
from toolkit.ingest.formats.whole import body, cut, framed, nothing, read_utf8
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Span

__all__ = ["cut", "frames", "require"]

MAX_OPEN = 10_000
"""Elements open at once, and attributes of one: beyond it the parser's time grows with the square."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HIDDEN = _names("head title script style template noscript iframe noframes noembed -comment -doctype")
_BLOCK = _names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup "
    "hr html legend li main menu nav ol optgroup option p pre search section select summary table tbody "
    "tfoot thead tr ul"
)
_CELL = _names("td th")
_NEVER_DEEP = _names(
    "area base br col embed hr img input link meta param source track wbr "
    "dd dt li option optgroup p rp rt tbody td tfoot th thead tr"
)
_SPACE = re.compile(r"[ \t\n\f\r]+")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(r"<meta[\s/][^>]*", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-z][^\s/>]*+)([^>]*+)", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_MARKS = {codecs.BOM_UTF16_LE: "UTF-16LE", codecs.BOM_UTF16_BE: "UTF-16BE"}
_UTF8 = {"utf-8", "utf8", "unicode-1-1-utf-8", "x-unicode20utf8", "utf-16", "utf-16le", "utf-16be"}
_ASCII = {"ascii", "us-ascii"}


def require() -> None:
    """MissingExtra unless the HTML parser is installed."""
    _parser()


def _parser() -> Any:
    try:
        return importlib.import_module("selectolax.lexbor").LexborHTMLParser
    except ImportError as error:
        raise MissingExtra("HTML sources", "extract") from error


def frames(data: bytes, span: Span, options: Options) -> Frames:
    """One record ``{"path", "title", "text"}``; ``title`` is null where the page has none.

    Faults: ``encoding.unsupported``, ``utf8.invalid``, ``text.nul_byte``, ``html.too_deep``,
    ``html.no_text``. MissingExtra without the parser.
    """
    parser = _parser()
    raw = body(data, span)
    if not raw:
        return nothing({"bom": len(data)} if data else {})
    page = _read(raw, marked=len(raw) < len(data))
    if isinstance(page, str):
        page = _crowded(page) or _extract(parser, page)
    return framed(raw, span, {"path": options.name, **page} if isinstance(page, dict) else page)


def _read(raw: bytes, marked: bool) -> str | tuple[str, str]:
    name = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), None)
    if name is None and not marked:
        name = _declared(raw)
        if name is None or name.lower() in _UTF8 or (name.lower() in _ASCII and raw.isascii()):
            name = None
    return ("encoding.unsupported", name[:60]) if name else read_utf8(raw)


def _declared(raw: bytes) -> str | None:
    """The encoding that a ``<meta>`` names."""
    head = _COMMENT.sub("", raw[:1024].decode("latin-1"))
    found = (_CHARSET.search(meta) for meta in _META.findall(head))
    return next((match[1] for match in found if match), None)


def _crowded(text: str) -> tuple[str, str] | None:
    """The fault of a page with more than MAX_OPEN elements open at once, or attributes in one."""
    if len(text) < 2 * MAX_OPEN:
        return None
    opened: Counter[str] = Counter()
    depth = 0
    for end, tag, rest in _TAG.findall(text):
        name = tag.lower()
        if len(rest) > 2 * MAX_OPEN and len(_QUOTED.sub("", rest).split()) > MAX_OPEN:
            return "html.too_deep", f"more than {MAX_OPEN} attributes in one element"
        if name in _NEVER_DEEP or (end and not opened[name]):
            continue
        opened[name] += -1 if end else 1
        depth += -1 if end else 1
        if depth > MAX_OPEN:
            return "html.too_deep", f"more than {MAX_OPEN} elements open at once"
    return None


def _extract(parser: Any, text: str) -> dict[str, str | None] | tuple[str, str]:
    try:
        tree = parser(text)
        page = _Page()
        page.read(tree.body or tree.root)
        title = tree.css_first("head title")
        name = None if title is None else _SPACE.sub(" ", title.text()).strip() or None
    except Exception as error:  # the parser is C: whatever it raises is about this page alone
        return "html.no_text", f"{type(error).__name__}: {error}"[:200]
    found = page.text()
    return {"title": name, "text": found} if found else ("html.no_text", "no visible text")


class _Page:
    """Visible text, line by line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.begun = self.space = False
        self.pre = 0

    def read(self, root: Any) -> None:
        """Walk the tree without recursion: a page may be nested deeper than Python's stack."""
        stack = [(root, False)] if root is not None else []
        while stack:
            node, leaving = stack.pop()
            tag = node.tag
            if leaving:
                self.edge(tag)
                self.pre -= tag == "pre"
            elif tag == "-text":
                self.write(node.text_content or "")
            elif tag == "br":
                self.newline()
            elif tag not in _HIDDEN:
                self.edge(tag)
                self.cell(tag)
                self.pre += tag == "pre"
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))

    def write(self, text: str) -> None:
        if self.pre:
            self.put(text, begun=not text.endswith("\n"))
            return
        words = _SPACE.sub(" ", text)
        self.space = self.space or words.startswith(" ")
        if core := words.strip(" "):
            self.put(core, begun=True)
            self.space = words.endswith(" ")

    def put(self, text: str, begun: bool) -> None:
        if text:
            self.parts += [" ", text] if self.space and self.begun else [text]
            self.begun, self.space = begun, False

    def edge(self, tag: str) -> None:
        if tag in _BLOCK and self.begun:
            self.newline()

    def cell(self, tag: str) -> None:
        if tag in _CELL and self.begun:
            self.parts.append("\t")
            self.begun = self.space = False

    def newline(self) -> None:
        self.parts.append("\n")
        self.begun = self.space = False

    def text(self) -> str:
        return "".join(self.parts).strip(" \t\n\f\r")
