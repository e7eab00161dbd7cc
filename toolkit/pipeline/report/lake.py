"""A finished lake as its small files describe it, and the places and excerpts a report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.pipeline.publish import read_root
from toolkit.pipeline.spec.reader import load_spec
from toolkit.pipeline.spec.tables import Spec
from toolkit.storage import read_json

EXCERPT = 200


class Place(NamedTuple):
    """Where a record's bytes came from, and its id."""

    source: str
    path: str
    offset: int
    id: str


class Excerpt(NamedTuple):
    """The beginning of a text, and how many characters are not shown."""

    text: str
    more: int


@dataclass(frozen=True)
class Lake:
    """A finished lake as its small files describe it."""

    root: Path
    manifest: Mapping[str, Any]
    spec: Spec
    timings: Mapping[str, Mapping[str, float]]
    parts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, root: Path) -> Lake:
        """Read the manifests; RequestError when the folder is not a finished lake."""
        manifest = read_root(root)
        timings = root / "timings.json"
        paths = [f["path"] for f in manifest["files"] if f["path"].startswith("bronze/")]
        parts = {p: read_json(root / p) for p in paths if p.endswith(".manifest.json")}
        known = read_json(timings) if timings.exists() else {}
        return cls(root, manifest, load_spec(root / "spec.toml"), known, parts)

    def files(self, *folder: str) -> list[Mapping[str, Any]]:
        """The data files that the manifest names under a folder."""
        start = "/".join(folder) + "/"
        listed = (f for f in self.manifest["files"] if f["path"].startswith(start))
        return [f for f in listed if not f["path"].endswith(".manifest.json")]


def evidence(lake: Lake) -> Iterator[tuple[str, pa.Table]]:
    """(stage, rows) of all evidence, a batch at a time."""
    for file in lake.files("evidence"):
        with pq.ParquetFile(lake.root / file["path"], memory_map=True) as parquet:
            for batch in parquet.iter_batches(batch_size=8192, use_threads=False):
                yield file["path"].split("/")[1], pa.Table.from_batches([batch])


def place_of(row: Mapping[str, Any], who: str) -> Place:
    """Where the ``removed`` or the ``kept`` record of an evidence row came from."""
    origin = row[f"{who}_origin"]
    return Place(row[f"{who}_source"], origin["path"], origin["offset"], row[f"{who}_id"])


def cut(text: str) -> Excerpt:
    """The first ``EXCERPT`` characters of a text."""
    return Excerpt(text[:EXCERPT], max(0, len(text) - EXCERPT))
