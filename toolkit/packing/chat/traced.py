# ruff: noqa: D102  (the methods are those of str)
r"""Text that remembers who wrote it: a string whose every character knows the source it came from.

A chat template joins, trims, splits and replaces, and in the end nobody can see which
characters it wrote itself and which a message gave it. Searching for the content afterwards
is a guess. So the content goes in as a ``Traced`` string, and whatever is done to it gives
Traced strings again:

    '<s>' + traced('  hi ', 3).strip()      ->  '<s>' of source 0, 'hi' of source 3

Source 0 is the template. Only the methods in ``METHODS`` may be called on text in a template,
and each of them is either defined here or gives no text, so no character loses its source.
The price is speed, so this runs once for each shape of conversation, not for each record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

TEMPLATE = 0
# text methods a template may call; those that give text are defined on Traced below
METHODS = frozenset(
    [
        "capitalize",
        "count",
        "endswith",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isdigit",
        "islower",
        "isnumeric",
        "isspace",
        "isupper",
        "join",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
    ]
)


class Traced(str):
    """A string with the source of its characters: ``spans``, a tuple of (length, source), none empty."""

    spans: tuple[tuple[int, int], ...]

    def __str__(self):
        return self

    def __add__(self, other):
        return joined((self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other):
        return joined((other, self)) if isinstance(other, str) else NotImplemented

    def __mul__(self, times):
        return joined([self] * times)

    __rmul__ = __mul__

    def __iter__(self) -> Iterator[Traced]:
        return (traced(c, source) for c, source in zip(str.__iter__(self), _sources(self), strict=True))

    def __getitem__(self, key):
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            return _cut(self, start, stop) if step == 1 else joined(list(self)[key])
        key = range(len(self))[key]
        return _cut(self, key, key + 1)

    def strip(self, chars=None):
        return self.rstrip(chars).lstrip(chars)

    def lstrip(self, chars=None):
        return _cut(self, len(self) - len(str.lstrip(self, chars)), len(self))

    def rstrip(self, chars=None):
        return _cut(self, 0, len(str.rstrip(self, chars)))

    def removeprefix(self, prefix):
        return _cut(self, len(self) - len(str.removeprefix(self, prefix)), len(self))

    def removesuffix(self, suffix):
        return _cut(self, 0, len(str.removesuffix(self, suffix)))

    def split(self, sep=None, maxsplit=-1):
        return _located(self, str.split(self, sep, maxsplit), sep)

    def rsplit(self, sep=None, maxsplit=-1):
        return _located(self, str.rsplit(self, sep, maxsplit), sep)

    def splitlines(self, keepends=False):
        return _located(self, str.splitlines(self, keepends), None)

    def partition(self, sep):
        return tuple(_located(self, str.partition(self, sep), ""))

    def rpartition(self, sep):
        return tuple(_located(self, str.rpartition(self, sep), ""))

    def join(self, parts):
        out = []
        for part in parts:
            out += [self, part] if out else [part]
        return joined(out)

    def replace(self, old, new, count=-1):
        out, done = [], 0
        for place in _places(self, old, count):
            out += [_cut(self, done, place), new]
            done = place + len(old)
        return joined([*out, _cut(self, done, len(self))])

    def lower(self):
        return rewritten(str.lower(self), self)

    def upper(self):
        return rewritten(str.upper(self), self)

    def title(self):
        return rewritten(str.title(self), self)

    def capitalize(self):
        return rewritten(str.capitalize(self), self)


def traced(text: str, source: int) -> Traced:
    """Return ``text`` with all of its characters from ``source``."""
    return _made(str(text), ((len(text), source),) if text else ())


def spans_of(text: str) -> tuple[tuple[int, int], ...]:
    """Return (length, source) of the stretches of a text; a plain string is the template's."""
    if isinstance(text, Traced):
        return text.spans
    return ((len(text), TEMPLATE),) if text else ()


def joined(parts: Iterable[str]) -> Traced:
    """Join texts, plain or traced. Raises TypeError for anything else, as ``str.join`` does."""
    parts = list(parts)
    spans: list[tuple[int, int]] = []
    for length, source in (span for part in parts for span in spans_of(part)):
        if spans and spans[-1][1] == source:
            length += spans.pop()[0]
        spans.append((length, source))
    return _made("".join(parts), tuple(spans))


def rewritten(result: str, original: str) -> Traced:
    """Return ``result``, made of ``original`` as a whole.

    Of the same length it keeps the sources place by place. Otherwise all of it counts as the
    content's if any of it does: that way round, what was content can never pass for a control token.
    """
    if len(result) == len(original):
        return _made(str(result), spans_of(original))
    return traced(result, max((source for _, source in spans_of(original)), default=TEMPLATE))


def _made(text: str, spans: tuple[tuple[int, int], ...]) -> Traced:
    out = str.__new__(Traced, text)
    out.spans = spans
    return out


def _sources(text: Traced) -> Iterator[int]:
    return (source for length, source in text.spans for _ in range(length))


def _cut(text: Traced, start: int, stop: int) -> Traced:
    spans, at = [], 0
    for length, source in text.spans:
        kept = min(at + length, stop) - max(at, start)
        if kept > 0:
            spans.append((kept, source))
        at += length
    return _made(str.__getitem__(text, slice(start, stop)), tuple(spans))


def _located(text: Traced, parts: Iterable[str], sep: str | None) -> list[Traced]:
    """Find the parts of a text again, in order; ``sep`` None: white space of unknown length between."""
    out, at = [], 0
    for part in parts:
        at = str.find(text, part, at)
        out.append(_cut(text, at, at + len(part)))
        at += len(part) + len(sep or "")
    return out


def _places(text: str, old: str, count: int) -> Iterator[int]:
    if not old:  # between all characters
        yield from range(len(text) + 1)[: None if count < 0 else count]
        return
    at = str.find(text, old)
    while at >= 0 and count:
        yield at
        count -= 1
        at = str.find(text, old, at + len(old))
