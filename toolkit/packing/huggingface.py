"""Gold as a Hugging Face dataset: the Parquet parts that the manifests vouch for, nothing rewritten.

    from toolkit.packing import huggingface
    rows = huggingface.load("lake/gold/sft").with_format("numpy")

Needs the extra ``datasets``. Rows are those of the gold table, in its order, identity included. A
streamed dataset has a shard a part, which ``split_dataset_by_node`` and the workers of a DataLoader
share out. To train, give the rows to ``toolkit.packing.pytorch.GoldCollator``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import MissingExtra
from toolkit.packing.gold.gold_parts import SCHEMAS, gold_parts

if TYPE_CHECKING:
    import datasets


def load(
    folder: str | Path, streaming: bool = False, verify: bool = False
) -> datasets.Dataset | datasets.IterableDataset:
    """Load a folder of gold. ``streaming``: read the parts where they lie, else through the package's cache.

    Raises what ``gold_parts`` raises for a folder that cannot be trusted, and MissingExtra without the
    package.
    """
    gold = gold_parts(folder, verify)
    found = _package()
    columns = SCHEMAS[gold.regime].names
    files = {"data_files": [str(part.path) for part in gold.parts], "columns": columns}
    return found.load_dataset("parquet", split="train", streaming=streaming, **files)


def _package() -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtra("toolkit.packing.huggingface.load", "datasets") from None
    return datasets
