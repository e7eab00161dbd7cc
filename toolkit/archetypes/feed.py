"""A feed is one file of the dump: where it lies, what it holds, how it is written down.

A source is what the spec names: one feed, or several behind a glob. ``share`` is in percent of
all records. ``patterns`` are the tuples of roles that a feed can hold (drawn evenly, up to 16).
``render`` turns an example and a 64-bit number of metadata into the JSON object of one line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.archetypes.sample import Sample


@dataclass(frozen=True)
class Source:
    """One ``[[source]]`` of the spec; ``map`` names the fields where the shape is not a known one."""

    id: str
    type: str
    path: str
    license: str
    regime: str
    rank: int
    consent: bool = True
    map: dict[str, str] = field(default_factory=dict)
    pii: str = ""


@dataclass(frozen=True)
class Feed:
    """One file; see the module.

    ``pool`` names whose duplicates may land here, within a regime. ``codes`` are the malformed
    kinds that make sense in this shape, beside those that any line can have. A feed with
    ``planted=False`` gets no plants and lends no originals. ``prepare`` changes a new example
    before it is written (adds what only this source has in its text). ``twin`` is a second name for the
    same bytes; ``renamed`` moves the prompt field to another name half way.
    """

    path: str
    source: Source
    share: int
    patterns: tuple[tuple[str, ...], ...]
    render: Callable[[Sample, int], dict[str, Any]]
    codes: tuple[str, ...] = ()
    pool: str = "text"
    prepare: Callable[[Sample], Sample] | None = None
    maths: bool = False
    templated: bool = False
    generated: bool = False
    planted: bool = True
    renamed: str = ""
    twin: str = ""
    bom: bool = False
    crlf: bool = False
    blank_every: int = 0
    last_newline: bool = True
