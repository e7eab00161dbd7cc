"""Text that a template may pass on but not look at: stands for every content of one state at once.

    '<s>' + unseen(3).strip()        ->        '<s>' | content of message 3, stripped

It is no string. It can be joined, stripped of white space, and asked whether it is empty, which it
never is: an empty content, or a blank one stripped, is the plain text ''. So no answer depends on
what the content is, only on its state, BLANK or TEXT. Whatever else is done to it raises ``Looked``:
the operators of Python because they are defined so below, and what takes strings only because this
is none. A list of what is allowed, therefore, and none of what is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

VERBATIM, STRIP, LSTRIP, RSTRIP = range(4)  # how a content stands; as numbers so that they are stored
_WITHOUT_LEFT = {VERBATIM: LSTRIP, RSTRIP: STRIP}
_WITHOUT_RIGHT = {VERBATIM: RSTRIP, LSTRIP: STRIP}
STRIPS = ("strip", "lstrip", "rstrip")


class Looked(BaseException):
    """A template looked at a content. No Exception: Jinja catches these, and goes on."""


@dataclass(frozen=True)
class Hole:
    """Where the content of ``message`` stands; ``blank``: it is white space only, else more than that."""

    message: int
    how: int
    blank: bool


class Unseen:
    """Pieces of known text and holes, at least one of these: never empty, so always true."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: tuple[str | Hole, ...]) -> None:
        self.pieces = pieces

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if other is None or (type(other) is str and not str.__len__(other)):
            return False  # not empty, and no None: so much is known of every content
        raise Looked("==")

    def __ne__(self, other: object) -> bool:
        return not self == other


class UnseenMethod:
    """A method of a text, to be called and nothing else: whether two are the same tells whose they are."""

    __slots__ = ("name", "text")

    def __init__(self, text: str | Unseen, name: str) -> None:
        self.text, self.name = text, name


def _forbidden(name: str) -> Any:
    def look(self: Any, *_: Any) -> NoReturn:
        raise Looked(name)

    return look


_LOOKS = """hash str repr format bytes len length_hint iter reversed contains getitem setitem delitem
lt le gt ge add radd iadd sub rsub mul rmul matmul rmatmul truediv rtruediv floordiv rfloordiv mod rmod
divmod rdivmod pow rpow lshift rshift and rand or ror xor rxor neg pos abs invert int float complex index
round trunc floor ceil dir sizeof reduce reduce_ex getstate copy deepcopy fspath"""
for _name in _LOOKS.split():
    setattr(Unseen, f"__{_name}__", _forbidden(_name))
    setattr(UnseenMethod, f"__{_name}__", _forbidden(_name))
for _name in ("bool", "eq", "ne"):
    setattr(UnseenMethod, f"__{_name}__", _forbidden(_name))


class Written(str):
    """An unseen text on its way from ``{{ ... }}`` to where the output is joined."""

    text: Unseen

    def __str__(self) -> str:
        return self


def unseen(message: int, blank: bool) -> Unseen:
    """Return what stands for the content of a message, which is not empty."""
    return Unseen((Hole(message, VERBATIM, blank),))


def written(text: Unseen) -> Written:
    """Wrap an unseen text as something that Jinja takes for a string to be written."""
    out = str.__new__(Written, "?")
    out.text = text
    return out


def pieces_of(text: str | Unseen) -> tuple[str | Hole, ...]:
    """Return the pieces of a text, plain or unseen; none for the empty one."""
    if isinstance(text, Written):
        return text.text.pieces
    if isinstance(text, Unseen):
        return text.pieces
    return (text,) if text else ()


def joined(texts: Iterable[str | Unseen]) -> str | Unseen:
    """Join texts; a plain one where there is no hole. Raises Looked for anything else."""
    out: list[str | Hole] = []
    for text in texts:
        if not isinstance(text, (str, Unseen)):
            raise Looked("join")
        for piece in pieces_of(text):
            if out and isinstance(piece, str) and isinstance(out[-1], str):
                piece = out.pop() + piece
            out.append(piece)
    return Unseen(tuple(out)) if any(isinstance(piece, Hole) for piece in out) else "".join(out)


def stripped(text: str | Unseen, method: str) -> str | Unseen:
    """Strip white space, as the method of ``str`` of that name does."""
    pieces = list(pieces_of(text))
    if method != "rstrip":
        pieces = list(_stripped(pieces, _WITHOUT_LEFT, str.lstrip))
    if method != "lstrip":
        pieces = list(_stripped(pieces[::-1], _WITHOUT_RIGHT, str.rstrip))[::-1]
    return joined(piece if isinstance(piece, str) else Unseen((piece,)) for piece in pieces)


def _stripped(pieces: list[str | Hole], how: dict[int, int], strip: Any) -> Iterator[str | Hole]:
    """Strip the first pieces: blank ones go, the first that is not loses its edge."""
    inside = False
    for piece in pieces:
        if not inside and isinstance(piece, str):
            piece = strip(piece)
        elif not inside and isinstance(piece, Hole):
            piece = "" if piece.blank else Hole(piece.message, how.get(piece.how, piece.how), False)
        inside = inside or piece != ""
        if inside:
            yield piece


class Size:
    """An upper bound of a length in characters: ``own``, and each message's content ``times`` over."""

    __slots__ = ("own", "times")

    def __init__(self, own: int, times: Counter[int]) -> None:
        self.own, self.times = own, times

    def __add__(self, other: int | Size) -> Size:
        if isinstance(other, Size):
            return Size(self.own + other.own, self.times + other.times)
        return Size(self.own + other, self.times)

    __radd__ = __add__

    @property
    def most(self) -> int:
        """How often the content that is there most often is."""
        return max(self.times.values(), default=0)


def size_of(texts: Iterable[str | Unseen]) -> Size:
    """Bound the length of texts together."""
    pieces = [piece for text in texts for piece in pieces_of(text)]
    own = sum(len(piece) for piece in pieces if isinstance(piece, str))
    return Size(own, Counter(piece.message for piece in pieces if isinstance(piece, Hole)))
