"""What NeMo Curator's fuzzy dedup removed, as evidence of ours: each removal measured against what stayed.

Its workflow leaves ids: those to remove (``FuzzyDuplicateIds``), and in its cache the group of each document
(``ConnectedComponentsStage``), of which one member stays. It measures no pair. Here the texts of a removed
document and of the one that stays are compared exactly, so that ``score < threshold`` are the documents that
went without being similar to what they went for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from toolkit.dedup import exact_threshold, jaccard, normalise, same_text, shingle_sets
from toolkit.errors import RequestError
from toolkit.records import EVIDENCE
from toolkit.storage import write_parquet

ID, GROUP = "_curator_dedup_id", "_duplicate_group_id"


def to_evidence(
    removed: str | Path,
    groups: str | Path,
    documents: Iterable[Any],
    threshold: float = 0.8,
    shingle: str = "word:5",
    text_field: str = "text",
    name_field: str | None = None,
) -> pa.Table:
    """Evidence (``records.EVIDENCE``), a row for each removed id, ascending.

    ``removed`` and ``groups`` are the folders or files of Curator's Parquet; ``documents`` are its
    DocumentBatches, or Arrow tables, with the column ``_curator_dedup_id``: at least all that are in a group.
    ``name_field`` is the column by which documents are named, by default that id. A removed document of which
    no group member stays, or whose text is not given, has no score. RequestError for an id without a group.
    """
    exact_threshold(threshold)
    gone = np.unique(_read(removed, [ID])[ID].to_numpy())
    table = _read(groups, [ID, GROUP])
    kept, group = _survivors(gone, table[ID].to_numpy(), table[GROUP].to_numpy())
    needed = np.unique(np.concatenate([gone, kept[kept >= 0]]))
    ids, texts, names = _texts(documents, needed, text_field, name_field)
    pairs, known = _places(ids, gone, kept)
    last = pa.array([""], pa.large_string())  # stands for what is not given
    normal = normalise(pa.chunked_array([*texts.chunks, last]))
    shared, union = jaccard(*shingle_sets(normal, shingle), pairs)
    known &= union > 0
    exact = known & same_text(normal, *pairs.T)
    found = zip(group.tolist(), shared.tolist(), union.tolist(), known.tolist(), strict=True)
    details = [_detail(*of, shingle) for of in found]
    columns = {
        "removed_id": _named(ids, names, gone),
        "removed_source": pa.array(["nemo_curator"] * len(gone)),
        "method": pa.array(np.where(exact, "exact", "near")),
        "score": pa.array(shared / np.maximum(union, 1), mask=~known),
        "threshold": pa.array(np.full(len(gone), threshold)),
        "kept_id": _named(ids, names, kept),
        "kept_source": pa.array(["nemo_curator"] * len(gone), mask=kept < 0),
        "detail": pa.array(details, pa.string()),
    }
    empty = {field.name: pa.nulls(len(gone), field.type) for field in EVIDENCE}
    return pa.table(empty | columns).select(EVIDENCE.names).cast(EVIDENCE)


def write_removal_ids(evidence: pa.Table, folder: str | Path) -> Path:
    """Write removed ids that are Curator's numbers as its removal stage reads them; return the folder.

    Of evidence filtered by its score those alone then go that are similar to what stays.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = evidence["removed_id"].combine_chunks().cast(pa.int64())
    write_parquet(folder / "part.0.parquet", pa.table({ID: ids.sort()}))
    return folder


def _read(path: str | Path, columns: list[str]) -> pa.Table:
    if not Path(path).exists():
        raise RequestError(f"{path}: no such file or folder of Parquet")
    data = ds.dataset(path, format="parquet")
    if lacking := sorted(set(columns) - set(data.schema.names)):
        raise RequestError(f"{path} has no column {lacking[0]!r}, but {', '.join(data.schema.names)}")
    return data.to_table(columns=columns)


def _survivors(gone: np.ndarray, ids: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the least id that stays in the group of each removed one, or -1; that group)."""
    order = np.argsort(ids, kind="stable")
    ids, groups = ids[order], groups[order]
    at = np.searchsorted(ids, gone)
    known = ids[np.minimum(at, len(ids) - 1)] == gone if len(ids) else np.zeros(len(gone), bool)
    if not known.all():
        raise RequestError(f"id {gone[~known][0]} is to be removed, but is in no group")
    stays = ~np.isin(ids, gone)
    staying, first = np.unique(groups[stays], return_index=True)
    of = groups[at]
    place = np.searchsorted(staying, of)
    found = np.append(staying, 0)[place] == of if len(staying) else np.zeros(len(of), bool)
    found &= place < len(staying)
    return np.where(found, np.append(ids[stays][first], -1)[np.where(found, place, 0)], -1), of


def _texts(
    documents: Iterable[Any], needed: np.ndarray, text_field: str, name_field: str | None
) -> tuple[np.ndarray, pa.ChunkedArray, pa.ChunkedArray]:
    """(ids ascending, their texts, their names) of the documents that are needed."""
    tables = []
    for batch in documents:
        table = batch if isinstance(batch, pa.Table) else batch.to_pyarrow()
        chosen = table.filter(pa.array(np.isin(table[ID].to_numpy(), needed)))
        columns = {"id": chosen[ID].cast(pa.int64()), "text": chosen[text_field].cast(pa.large_string())}
        tables.append(pa.table(columns | {"name": chosen[name_field or ID].cast(pa.string())}))
    schema = pa.schema([("id", pa.int64()), ("text", pa.large_string()), ("name", pa.string())])
    whole = pa.concat_tables([schema.empty_table(), *tables]).sort_by("id").combine_chunks()
    ids = whole["id"].to_numpy()
    if len(np.unique(ids)) < len(ids):
        raise RequestError(f"two documents have the {ID} {ids[1:][ids[1:] == ids[:-1]][0]}")
    return ids, whole["text"], whole["name"]


def _places(ids: np.ndarray, gone: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the texts of each pair; whether both are given). What is not given is the row after all."""
    wanted = np.stack([gone, kept], 1)
    rows = np.searchsorted(ids, wanted)
    there = np.append(ids, -1)[rows] == wanted
    there &= rows < len(ids)
    return np.where(there, rows, len(ids)), there.all(axis=1)


def _named(ids: np.ndarray, names: Any, wanted: np.ndarray) -> pa.Array:
    """The names of some ids; an id whose document is not given names itself, -1 is null."""
    row = pc.index_in(pa.array(wanted), pa.array(ids))
    own = pc.if_else(pa.array(wanted < 0), None, pa.array(wanted).cast(pa.string()))
    return pc.coalesce(names.take(row), own)


def _detail(group: int, shared: int, union: int, known: bool, shingle: str) -> str:
    found = {"by": "nemo_curator", "group": group}
    return json.dumps(found | ({"shingle": shingle, "intersection": shared, "union": union} if known else {}))
