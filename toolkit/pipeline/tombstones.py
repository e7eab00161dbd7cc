"""What was forgotten: a source and a licence by name, single lines by hash.

What is named stays out of every later run. The hashes of all forgotten lines are kept, so that
it can be said of a line that it was forgotten, though nobody can read what it was. The same
lines delivered as another source are another source's, and enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from toolkit.ingest import Forgotten
from toolkit.storage import read_json, write_json

NAME = "tombstones.json"


@dataclass(frozen=True)
class Tombstones:
    """Forgotten sources with the sha256 of their lines, forgotten licences, forgotten single lines.

    ``applied`` is false from the moment the request is written until bronze is clean, so a
    request that was killed half way is carried out by whatever runs next.
    """

    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    licenses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ids: Sequence[str] = ()
    applied: bool = True

    @classmethod
    def read(cls, lake: Path) -> Tombstones:
        """The lake's tombstones; none when nothing was ever forgotten."""
        path = lake / NAME
        return cls(**read_json(path)) if path.exists() else cls()

    def write(self, lake: Path) -> None:
        """Write them beside the manifest."""
        write_json(lake / NAME, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, sorted."""
        return {
            "sources": {name: sorted(ids) for name, ids in sorted(self.sources.items())},
            "licenses": {name: sorted(ids) for name, ids in sorted(self.licenses.items())},
            "ids": sorted(self.ids),
            "applied": self.applied,
        }

    def __bool__(self) -> bool:
        return bool(self.sources or self.licenses or self.ids)

    def forgotten(self) -> Forgotten:
        """What the door must turn away."""
        return Forgotten(frozenset(self.ids), frozenset(self.licenses))

    def with_source(self, name: str, ids: Sequence[str]) -> Tombstones:
        """These and one more source."""
        return replace(self, sources={**self.sources, name: sorted({*self.sources.get(name, ()), *ids})})

    def with_license(self, name: str, ids: Sequence[str]) -> Tombstones:
        """These and one more licence."""
        return replace(self, licenses={**self.licenses, name: sorted({*self.licenses.get(name, ()), *ids})})

    def with_ids(self, ids: Sequence[str]) -> Tombstones:
        """These and some more single lines."""
        return replace(self, ids=sorted({*self.ids, *ids}))
