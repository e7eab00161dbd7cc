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
        right = [all(isinstance(row[i], int | float) for row in self.rows) for i in range(len(self.head))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(line, widths, right, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{html.escape(name)}</th>" for name in self.head)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3f}"


def _cell(cell: Cell) -> str:
    align = "left" if isinstance(cell, str) else "right"
    return f"<td style='text-align:{align}'>{html.escape(_text(cell))}</td>"
