"""The lines of plain text as columns, a block at a time, and the units that they form.

A line ends at LF; a CR before it belongs to the line end. A line is blank when it holds nothing but
space, tab and CR. A unit is what lies between two possible cuts: one separating line, or a run of
lines that are none; where each line stands for itself, every line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_INK = np.ones(256, np.uint8)
_INK[list(b" \t\r\n")] = 0
_LF, _CR = 10, 13
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Lines:
    """Columns of n lines: ``start`` int64, absolute; ``length`` int64 without the line end, whose bytes
    are ``end`` int64 (0 to 2); ``blank`` and ``marker`` bool.
    """  # fmt: skip

    start: np.ndarray
    length: np.ndarray
    end: np.ndarray
    blank: np.ndarray
    marker: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def stop(self) -> np.ndarray:
        """Where each line stops, its line end included."""
        return self.start + self.length + self.end


@dataclass(frozen=True)
class Rule:
    """Which lines separate documents: those that are ``marker``, else blank ones; or each is ``alone``."""

    marker: bytes | None = None
    alone: bool = False

    @classmethod
    def parse(cls, text: str) -> Rule:
        """From ``blank-line``, ``line`` or ``marker:TEXT``."""
        form, _, marker = text.partition(":")
        return cls(marker.encode() if form == "marker" else None, form == "line")

    def separates(self, lines: Lines) -> np.ndarray:
        """bool[n]: the lines that lie between documents."""
        return lines.blank if self.marker is None else lines.marker

    def opens(self, lines: Lines, after_separator: bool = True) -> np.ndarray:
        """bool[n]: the lines that open a unit; ``after_separator``: the line before these separates."""
        separates = self.separates(lines)
        before = np.concatenate([[after_separator], separates[:-1]])
        return np.ones(len(lines), bool) if self.alone else separates | before


class Reader:
    """Blocks in, finished lines out. Holds of an unfinished line what decides about it, not the line.

    A line that begins with more than ``most`` bytes of blanks is blank, so this is known in time.
    """

    def __init__(self, rule: Rule, offset: int = 0, most: int = _ENDLESS) -> None:
        self.rule, self.offset, self.most = rule, offset, most
        self._open(offset)

    def _open(self, start: int) -> None:
        self.start, self.ink, self.head, self.last = start, -1, b"", 0

    @property
    def blank(self) -> bool:
        """Whether the open line is blank, as far as it is known; ``ink`` is its first byte that is not."""
        return self.ink < 0 or self.ink - self.start > self.most

    def open_line(self) -> Lines:
        """The line that has not ended, if it is known whether it separates documents; else none."""
        length, marker = self.offset - self.start, self.rule.marker
        if marker is not None:
            known = length > len(marker) + 1
        else:
            known = self.rule.alone or self.ink >= 0 or length > self.most
        columns = [[self.start], [length], [0], [self.blank], [False]]
        return _columns(*columns if length and known else [[]] * 5)

    def feed(self, block: bytes) -> Lines:
        """The lines that end within ``block``."""
        buffer = np.frombuffer(block, np.uint8)
        stops = np.flatnonzero(buffer == _LF) + 1
        starts = np.concatenate([[0], stops])
        found = self._lines(block, buffer, starts[:-1], stops)
        self._hold(block, int(starts[-1]), restart=len(stops) > 0)
        self.offset += len(block)
        return found

    def finish(self) -> Lines:
        """The last line, if it has no line end."""
        length = self.offset - self.start
        marker = length == len(self.head) and self.head == self.rule.marker
        columns = [[self.start], [length], [0], [self.blank], [marker]]
        return _columns(*columns if length else [[]] * 5)

    def _lines(self, block: bytes, buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> Lines:
        if not len(stops):
            return _columns(*[[]] * 5)
        blank = np.maximum.reduceat(_INK[buffer[: stops[-1]]], starts) == 0
        before = np.where(stops > 1, buffer[stops - 2], self.last)
        begins = starts + self.offset
        begins[0] = self.start
        lengths = stops + self.offset - 1 - begins
        returns = (before == _CR) & (lengths > 0)
        lengths -= returns
        for row in np.flatnonzero(~blank & (lengths > self.most)).tolist():
            lead = _ink_in(block[starts[row] : stops[row]])
            blank[row] = starts[row] + self.offset + lead - begins[row] > self.most
        blank[0] = self.blank and (self.ink >= 0 or blank[0])
        marker = self._markers(block, starts, lengths)
        return _columns(begins, lengths, returns + 1, blank, marker)

    def _markers(self, block: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        wanted, found = self.rule.marker, np.zeros(len(starts), bool)
        if wanted is not None:
            for row in np.flatnonzero(lengths == len(wanted)).tolist():
                head = self.head if row == 0 else b""
                found[row] = (head + block[starts[row] : starts[row] + len(wanted)])[: len(wanted)] == wanted
        return found

    def _hold(self, block: bytes, start: int, restart: bool) -> None:
        if restart:
            self._open(self.offset + start)
        rest = block[start:]
        if rest:
            room = len(self.rule.marker or b"") + 1 - len(self.head)
            self.head += rest[: max(room, 0)]
            lead = _ink_in(rest) if self.ink < 0 else -1
            self.ink = self.ink if lead < 0 else self.offset + start + lead
            self.last = rest[-1]


def _ink_in(line: bytes) -> int:
    """Where the first byte of a line is that is not blank, or -1."""
    ink = line.lstrip(b" \t\r\n")
    return len(line) - len(ink) if ink else -1


def _columns(start: object, length: object, end: object, blank: object, marker: object) -> Lines:
    sizes = [np.asarray(column, np.int64) for column in (start, length, end)]
    return Lines(*sizes, np.asarray(blank, bool), np.asarray(marker, bool))


def join(first: Lines, second: Lines) -> Lines:
    """The lines of both."""
    names = ("start", "length", "end", "blank", "marker")
    return Lines(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in names))
