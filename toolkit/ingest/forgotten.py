"""What the door must turn away: lines and licences that a lake was asked to forget."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Forgotten:
    """What must not enter again: hashes of lines, and licences."""

    ids: Set[str] = frozenset()
    licenses: Set[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.ids or self.licenses)

    def covers(self, record_id: str, license: str | None) -> bool:
        """Whether a line with this sha256 and this licence must stay out."""
        return record_id in self.ids or license in self.licenses
