"""A table that reads well in a terminal and in a notebook: numbers to the right, text escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float


@dataclass(frozen=True, repr=False)
class Table:
    """Column names and rows of text or numbers; integers get separators, floats three decimals."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __repr__(self) -> str:
        lines = [list(self.head), *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(line, widths, self._numbers(), strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        sides = ["right" if number else "left" for number in self._numbers()]
        head = "".join(map(_cell, ["th"] * len(sides), self.head, sides))
        body = "".join(
            f"<tr>{''.join(map(_cell, ['td'] * len(sides), row, sides))}</tr>" for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _numbers(self) -> list[bool]:
        """Which columns hold nothing but numbers."""
        return [all(isinstance(row[i], int | float) for row in self.rows) for i in range(len(self.head))]


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3f}"


def _cell(tag: str, cell: Cell, side: str) -> str:
    return f"<{tag} style='text-align:{side}'>{html.escape(_text(cell))}</{tag}>"
