"""The manifest of a part: which task made these files, from what, and how to tell it is whole.

``key`` is the hash of everything the task's output depends on: its inputs, its settings
and its code. A task is skipped if and only if its manifest has the same key and names
files that are there with the size they had. The manifest is written after the files it
describes, so a manifest on disk means that they are whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.storage.atomic import write_atomic
from toolkit.storage.digest import sha256_file
from toolkit.storage.ledger import Ledger


@dataclass(frozen=True)
class Output:
    """One file of a task: ``path`` relative to the lake, its sha256, bytes and rows.

    Scratch, which nobody is given, has no sha256.
    """

    path: str
    sha256: str
    size: int
    rows: int

    @classmethod
    def of(cls, lake: Path, path: Path, rows: int, sha256: str | None = None) -> Output:
        """Describe the finished file at ``path``, whose ``sha256`` its writer may know already."""
        name = path.relative_to(lake).as_posix()
        return cls(name, sha256 or sha256_file(path), path.stat().st_size, rows)

    @classmethod
    def scratch(cls, lake: Path, path: Path, rows: int) -> Output:
        """Describe a finished file that only later stages of the same run read: it is not hashed."""
        return cls(path.relative_to(lake).as_posix(), "", path.stat().st_size, rows)


@dataclass(frozen=True)
class PartManifest:
    """What one task made: its key, its files, its books, and facts later tasks need."""

    task: str
    key: str
    outputs: Sequence[Output]
    ledgers: Sequence[Ledger] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the manifest as JSON at ``path``, atomically."""
        write_json(
            path,
            {
                "task": self.task,
                "key": self.key,
                "outputs": [vars(output) for output in self.outputs],
                "ledgers": [ledger.to_dict() for ledger in self.ledgers],
                "facts": dict(self.facts),
            },
        )

    @classmethod
    def read(cls, path: Path) -> PartManifest | None:
        """Read a manifest; None when there is none or it is not a manifest."""
        try:
            return cls.from_data(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> PartManifest:
        """The manifest that ``write`` wrote as this JSON data."""
        outputs = [Output(**output) for output in data["outputs"]]
        ledgers = [Ledger.from_dict(ledger) for ledger in data["ledgers"]]
        return cls(data["task"], data["key"], outputs, ledgers, data["facts"])

    @classmethod
    def fresh(cls, lake: Path, path: Path, key: str) -> PartManifest | None:
        """The manifest at ``path`` if it has this key and its files are there, else None."""
        manifest = cls.read(path)
        if manifest is None or manifest.key != key:
            return None
        for output in manifest.outputs:
            try:
                if (lake / output.path).stat().st_size != output.size:
                    return None
            except (OSError, ValueError, TypeError):
                return None
        return manifest


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a last newline, atomically."""
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file; ToolkitError when it is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ToolkitError(f"cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ToolkitError(f"{path} is not valid JSON: {error}.") from error
