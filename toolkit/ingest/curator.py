"""A lake's bronze as NeMo Curator's documents: a reader like its own, over our shards.

    from toolkit.ingest.curator import BronzeReader
    pipeline.add_stage(BronzeReader("lake", fields=["text"]))

Needs the extra ``curator``; importing this module without it raises MissingExtra. One shard is one
``DocumentBatch`` unless ``files_per_partition`` says more. Lines that came twice in the lake stay
out, and values arrive as they were sent: Curator's own JSON reader knows neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from toolkit.errors import MissingExtra, RequestError
from toolkit.ingest.readers import BRONZE_SCHEMA, record_of, shard_batch, shard_paths

try:
    from nemo_curator.stages.base import CompositeStage
    from nemo_curator.stages.file_partitioning import FilePartitioningStage
    from nemo_curator.stages.text.io.reader.base import BaseFileReader
    from nemo_curator.tasks import DocumentBatch, EmptyTask
except ImportError:
    raise MissingExtra("toolkit.ingest.curator", "curator") from None

SUFFIXES = [".zst", ".gz", ".jsonl"]  # Curator looks at the last suffix only


@dataclass
class BronzeReaderStage(BaseFileReader):
    """Groups of bronze shards into DocumentBatches: an Arrow table of ``fields`` and BRONZE_SCHEMA.

    ``fields`` are top-level fields of the payload, each a text column: a text as it is, any other
    value as its JSON, null where a record has none. ``payload``, the whole JSON text, comes last.
    """

    name: str = "bronze_reader"
    repeats: bool = False
    allow_empty: bool = True  # a shard may hold nothing but repeats

    def __post_init__(self) -> None:
        super().__post_init__()
        if clash := sorted(set(self.fields or ()) & set(BRONZE_SCHEMA.names)):
            raise RequestError(f"fields: {clash[0]!r} is the name of a provenance column.")

    def outputs(self) -> tuple[list[str], list[str]]:
        """What a batch has: see ProcessingStage."""
        data, columns = super().outputs()
        return data, [*columns, *BRONZE_SCHEMA.names]

    def read_data(
        self, paths: list[str], read_kwargs: dict[str, Any] | None = None, fields: list[str] | None = None
    ) -> pa.Table:
        """The records of some shards; ``read_kwargs`` is not used."""
        batches = [shard_batch(Path(path), self.repeats) for path in paths]
        table = pa.Table.from_batches(batches, BRONZE_SCHEMA)
        columns = _columns(table["payload"], fields or ())
        return pa.table(columns | {name: table[name] for name in BRONZE_SCHEMA.names})


@dataclass
class BronzeReader(CompositeStage[EmptyTask, DocumentBatch]):
    """Read a finished lake, or one ``source`` of it, into DocumentBatches; fields as in BronzeReaderStage.

    Raises RequestError when there is no finished lake or source.
    """

    lake: str | Path
    source: str | None = None
    fields: list[str] | None = None
    files_per_partition: int | None = None
    repeats: bool = False
    name: str = "bronze_reader"

    def __post_init__(self) -> None:
        super().__init__()
        self._paths = [str(path) for path in shard_paths(self.lake, self.source)]

    def decompose(self) -> list[Any]:
        """The two stages it stands for: which shards, and what is in them."""
        partition = FilePartitioningStage(
            file_paths=self._paths,
            files_per_partition=self.files_per_partition,
            file_extensions=SUFFIXES,
        )
        return [partition, BronzeReaderStage(fields=self.fields, repeats=self.repeats)]

    def get_description(self) -> str:
        """One line for people."""
        return f"Read the bronze of {self.lake}, {len(self._paths)} shards"


def _columns(payloads: pa.ChunkedArray, fields: Sequence[str]) -> dict[str, pa.Array]:
    """The fields of the payloads as text columns."""
    found: dict[str, list[str | None]] = {name: [] for name in fields}
    for payload in payloads.to_pylist() if fields else ():
        value = record_of(payload.encode())
        for name in fields:
            found[name].append(_text(value[name]) if name in value else None)
    return {name: pa.array(texts, pa.large_string()) for name, texts in found.items()}


def _text(value: Any) -> str | None:
    """A text as it is, with its lone surrogates replaced as they are no Unicode; other values as JSON."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
