"""What differs between two texts, word by word, with a few equal words around each change.

The longest common runs of words are found as ``difflib`` does (Ratcliff and Obershelp); the rest
was removed or inserted. It explains a similarity to a person; it decides nothing.
"""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterator
from dataclasses import dataclass

SAME, GONE, NEW = "same", "gone", "new"


@dataclass(frozen=True, repr=False)
class WordDiff:
    """Runs of words as (``same``, ``gone`` or ``new``, text), in order; long equal runs are cut."""

    runs: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        marks = {SAME: "{}", GONE: "[-{}-]", NEW: "{{+{}+}}"}
        return " ".join(marks[kind].format(text) for kind, text in self.runs)

    def _repr_html_(self) -> str:
        tags = {
            SAME: "<span>{}</span>",
            GONE: "<del style='background:#fbe0d2;color:#222'>{}</del>",
            NEW: "<ins style='background:#d6e8f5;color:#222'>{}</ins>",
        }
        body = " ".join(tags[kind].format(html.escape(text)) for kind, text in self.runs)
        return f"<p style='line-height:1.8'>{body}</p>"


def word_diff(before: str, after: str, context: int = 5) -> WordDiff:
    """Compare by words split at white space; keep ``context`` equal words beside each change."""
    left, right = before.split(), after.split()
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    return WordDiff(tuple(_runs(matcher.get_opcodes(), left, right, context)))


def _runs(codes: list, left: list[str], right: list[str], context: int) -> Iterator[tuple[str, str]]:
    for number, (code, a, b, c, d) in enumerate(codes):
        if len(codes) == 1 and code == "equal":
            yield SAME, " ".join(left)
        elif code == "equal":
            yield SAME, _cut(left[a:b], context * (number > 0), context * (number < len(codes) - 1))
        else:
            yield from (
                (kind, " ".join(words)) for kind, words in ((GONE, left[a:b]), (NEW, right[c:d])) if words
            )


def _cut(words: list[str], head: int, tail: int) -> str:
    if len(words) <= head + tail + 1:
        return " ".join(words)
    return " ".join([*words[:head], "…", *words[len(words) - tail :]])
