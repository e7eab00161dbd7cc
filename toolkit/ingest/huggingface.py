"""A lake's bronze as a Hugging Face dataset, a shard of the lake a shard of the dataset.

    from toolkit.ingest import huggingface
    huggingface.load("lake", decode=True)

Needs the extra ``datasets``. A streamed dataset reads the lake where it lies, and its shards are
shared out by ``split_dataset_by_node`` and among the workers of a ``DataLoader``. Rows are those
that ``toolkit.ingest.records`` gives, in its order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import MissingExtra, RequestError
from toolkit.ingest.readers import BRONZE_SCHEMA, read_manifest, shard_batch, shard_paths, shard_records
from toolkit.storage import part_of, read_json

if TYPE_CHECKING:
    import datasets

PROVENANCE = "bronze"


def load(
    lake: str | Path,
    source: str | None = None,
    streaming: bool = True,
    decode: bool = False,
    repeats: bool = False,
    features: datasets.Features | None = None,
) -> datasets.IterableDataset | datasets.Dataset:
    """The records of a finished lake, or of one ``source``, as a dataset.

    A row has the columns of BRONZE_SCHEMA, its payload as text: nothing can go wrong with it. With
    ``decode`` it has the payload's own fields instead, in the order in which the lake first has them,
    None where a record lacks one, and the provenance as one column ``bronze`` (record_id, path, line, …).

    ``streaming`` gives Python's values, whatever their types, as ``toolkit.ingest.records`` does. Else the
    rows are written to the cache of ``datasets`` as Arrow, which wants one type a column: an integer beyond
    64 bits or a lone surrogate is an error there, and where a field is a text here and a number or a list
    there, version 5 makes text of it without a word. Then stream, or do not decode, or say ``features``.

    Raises RequestError for no finished lake or source, or one whose payloads have a field ``bronze``
    when decoding, and MissingExtra without the package.
    """
    paths = shard_paths(lake, source)
    found = _package()
    names = _fields(paths) if decode else []
    if PROVENANCE in names:
        raise RequestError(
            f"payloads in {lake} have a field {PROVENANCE!r}, the name that decode=True gives to provenance: "
            "take them as text, without decode."
        )
    if not decode and features is None:
        features = found.Features.from_arrow_schema(BRONZE_SCHEMA)
    kept = {"shards": [str(path) for path in paths], "repeats": repeats, "names": tuple(names)}
    if streaming:
        return found.IterableDataset.from_generator(_rows, features=features, gen_kwargs=kept)
    # The cache goes by the arguments, so they must change when the lake does.
    kept["version"] = read_manifest(lake)["sha256"]
    return found.Dataset.from_generator(_rows, features=features, gen_kwargs=kept)


def _package() -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtra("toolkit.ingest.huggingface.load", "datasets") from None
    return datasets


def _rows(
    shards: list[str], repeats: bool, names: Sequence[str], version: str = ""
) -> Iterator[dict[str, Any]]:
    for path in map(Path, shards):
        if not names:
            yield from shard_batch(path, repeats).to_pylist()
            continue
        for record in shard_records(path, repeats):
            payload = record.pop("payload")
            provenance = {name: (record | record["origin"])[name] for name in BRONZE_SCHEMA.names[:-1]}
            yield {name: payload.get(name) for name in names} | {PROVENANCE: provenance}


def _fields(paths: Sequence[Path]) -> list[str]:
    """The top-level fields of all payloads, by first appearance."""
    return list(dict.fromkeys(name for path in paths for name in _fields_of(path)))


def _fields_of(path: Path) -> Iterator[str]:
    """The fields of a shard's payloads, from its manifest; from the records where that knows only some."""
    manifest = read_json(path.with_name(f"{part_of(path)}.manifest.json"))
    shapes, rows = manifest["facts"]["shapes"], manifest["outputs"][0]["rows"]
    if sum(shape["records"] for shape in shapes) == rows:
        return (name for shape in shapes for name in shape["keys"])
    return (name for record in shard_records(path, True) for name in record["payload"])
