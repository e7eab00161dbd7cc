"""The files of one part of bronze: its shard, its ids, its quarantine, and last its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.pipeline.spec.tables import Ingest
from toolkit.storage import (
    LEVELS,
    Ledger,
    Output,
    PartManifest,
    part_of,
    shard_name,
    write_array,
    write_atomic,
    write_shard,
)


@dataclass(frozen=True)
class Content:
    """What a part's files hold: bronze lines, the leading 128 bits of their ids, quarantine lines."""

    bronze: bytes | memoryview
    ids: np.ndarray
    quarantine: bytes


def ids_array(names: Sequence[str]) -> np.ndarray:
    """Hex ids as their leading 128 bits, (high, low): uint64 (n, 2)."""
    pairs = [(int(name[:16], 16), int(name[16:32], 16)) for name in names]
    return np.array(pairs, np.uint64).reshape(len(names), 2)


def write_bronze(
    lake: Path,
    name: str,
    key: str,
    content: Content,
    ledger: Ledger,
    facts: Mapping[str, Any],
    settings: Ingest,
) -> PartManifest:
    """Write a part's shard, its ids, its quarantine if any, and then its manifest."""
    folder, part = (lake / "bronze" / name).parent, part_of(name)
    shard = folder / shard_name(part, settings.compression)
    ids = folder / f"{part}.ids.npy"
    aside = lake / "quarantine" / "ingest" / f"{name}.jsonl"
    for other in (folder / shard_name(part, compression) for compression in LEVELS):
        if other != shard:
            other.unlink(missing_ok=True)
    sha256 = write_shard(shard, content.bronze, settings.used_level, last=False)
    write_array(ids, content.ids, last=False)
    rows = ledger.records_out.records
    outputs = [Output.of(lake, shard, rows, sha256), Output.of(lake, ids, rows)]
    if content.quarantine:
        write_atomic(aside, content.quarantine)
        outputs.append(Output.of(lake, aside, sum(g.records for g in ledger.quarantined.values())))
    else:
        aside.unlink(missing_ok=True)
    manifest = PartManifest(f"ingest {name}", key, outputs, [ledger], facts)
    manifest.write(folder / f"{part}.manifest.json")
    return manifest
