"""Tokens as a reader can see them: which are trained, which are only read.

    loss = - sum over t of mask[t] * log p(token[t] | tokens before t)

A token can be part of a character (byte-level vocabularies cut anywhere), so ids are decoded in
the shortest groups that are whole text. Trained tokens are marked by background and underline,
not by colour alone. All text is escaped: it is user data.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

_LONGEST = 8  # tokens one character may be spread over before it is shown as it decodes
_CELL = "border-left:1px solid #bbb;padding:0 1px;color:#222;background:{};"
_TRAINED = _CELL.format("#cfe3f2") + "text-decoration:underline"
_READ = _CELL.format("#f3f3f3")


@dataclass(frozen=True, repr=False)
class MaskedText:
    """Pieces of a sequence, each a run of token ids with its text and whether it is trained."""

    pieces: tuple[tuple[tuple[int, ...], str, bool], ...]

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return sum(len(ids) for ids, _, _ in self.pieces)

    @property
    def trained(self) -> int:
        """How many of them count in the loss."""
        return sum(len(ids) for ids, _, on in self.pieces if on)

    def __repr__(self) -> str:
        runs = (
            (on, "".join(piece[1] for piece in run))
            for on, run in groupby(self.pieces, lambda piece: piece[2])
        )
        return "".join(f"⟦{text}⟧" if on else text for on, text in runs)

    def _repr_html_(self) -> str:
        body = "".join(_piece(*piece) for piece in self.pieces)
        note = f"{self.tokens} tokens, {self.trained} trained (underlined), {self.tokens - self.trained} read"
        return f"<div style='font-family:monospace;line-height:1.9'>{body}</div><p><i>{note}</i></p>"


def masked(tokenizer: Any, ids: Sequence[int], mask: Sequence[bool]) -> MaskedText:
    """Show ``ids`` under ``mask`` (as long as ids): ``tokenizer`` is one of the tokenizers library."""
    if len(ids) != len(mask):
        raise ValueError(f"{len(ids)} ids but {len(mask)} mask values; expected one a token")
    return MaskedText(tuple(_pieces(tokenizer, ids, mask)))


def _pieces(tokenizer: Any, ids: Sequence[int], mask: Sequence[bool]) -> Iterator[tuple]:
    start = 0
    while start < len(ids):
        end = start + 1
        text = tokenizer.decode(list(ids[start:end]), skip_special_tokens=False)
        while "\ufffd" in text and end - start < _LONGEST and end < len(ids) and mask[end] == mask[start]:
            end += 1
            text = tokenizer.decode(list(ids[start:end]), skip_special_tokens=False)
        yield tuple(int(i) for i in ids[start:end]), text, bool(mask[start])
        start = end


def _piece(ids: tuple[int, ...], text: str, trained: bool) -> str:
    shown = html.escape(text).replace(" ", "&nbsp;").replace("\n", "↵<br>")
    tag, style = ("mark", _TRAINED) if trained else ("span", _READ)
    return f"<{tag} style='{style}' title='{' '.join(map(str, ids))}'>{shown}</{tag}><wbr>"
