"""Near-duplicates within a DocumentBatch, as a stage of NeMo Curator.

A stage sees one batch at a time, so duplicates in different batches stay: for a whole corpus take
``NearDuplicatesWorkflow``. Needs the extra ``curator``; importing this without it raises MissingExtra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import MissingExtra, RequestError
from toolkit.pipeline.dedup import dedup

try:
    from nemo_curator.stages.base import ProcessingStage
    from nemo_curator.stages.resources import Resources
    from nemo_curator.tasks import DocumentBatch
except ImportError:
    raise MissingExtra("toolkit.curator", "curator") from None

MARKS = ("duplicate_of", "similarity")


@dataclass
class NearDuplicates(ProcessingStage[DocumentBatch, DocumentBatch]):
    """Remove what is similar to a document of the batch that stays, or mark it.

    ``threshold``, ``shingle``, ``keep`` and ``device`` are those of ``toolkit.dedup``; ``keep`` may name
    columns of numbers. With ``mark`` all rows stay and two columns are added: ``duplicate_of``, the row of
    this batch for which a row would go (null if it stays), and the ``similarity`` measured. Without, the
    rows go and the batch's metadata hold ``num_removed`` and ``evidence``, an Arrow table. Null texts stay.
    """

    text_field: str = "text"
    threshold: float = 0.8
    shingle: str = "word:5"
    keep: str = "rank,length,id"
    mark: bool = False
    device: str | None = None
    name: str = "near_duplicates"

    def __post_init__(self) -> None:
        super().__init__()
        if self.device == "cuda":
            self.resources = Resources(cpus=1.0, gpus=1.0)

    def inputs(self) -> tuple[list[str], list[str]]:
        """What a batch must have: see ProcessingStage."""
        return ["data"], [self.text_field, *self._numbers()]

    def outputs(self) -> tuple[list[str], list[str]]:
        """What a batch has then: see ProcessingStage."""
        return ["data"], list(MARKS) if self.mark else []

    def process(self, task: DocumentBatch) -> DocumentBatch:
        """Return a batch of the same kind, Arrow or pandas. RequestError if the texts are no text."""
        evidence = self._found(task)
        gone, kept = _rows(evidence["removed_origin"]), _rows(evidence["kept_origin"])
        metadata = dict(task._metadata)
        if self.mark:
            data = _marked(task, gone, kept, evidence["score"].to_numpy())
        else:
            stays = np.ones(task.num_items, bool)
            stays[gone] = False
            data = task.data.filter(pa.array(stays)) if isinstance(task.data, pa.Table) else task.data[stays]
            metadata |= {"num_removed": len(gone), "evidence": evidence}
        return DocumentBatch(
            dataset_name=task.dataset_name, data=data, _metadata=metadata, _stage_perf=task._stage_perf
        )

    def _found(self, task: DocumentBatch) -> pa.Table:
        """The evidence; ``line`` of an origin is the row, from 1."""
        whole = task.to_pyarrow()
        texts = whole[self.text_field]
        if pa.types.is_null(texts.type):
            texts = texts.cast(pa.string())
        if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
            raise RequestError(f"column {self.text_field!r} must hold text, but is {texts.type}")
        columns = {name: whole[name] for name in self._numbers()} | {"text": texts.cast(pa.large_string())}
        how = {"keep": self.keep, "workers": 1, "device": self.device}
        return dedup(pa.table(columns), None, "text", self.threshold, shingle=self.shingle, **how).evidence

    def _numbers(self) -> list[str]:
        return [n for n in map(str.strip, self.keep.split(",")) if n not in ("rank", "length", "id")]


def _rows(origins: pa.ChunkedArray) -> np.ndarray:
    return pc.struct_field(origins, "line").to_numpy().astype(np.int64) - 1


def _marked(task: DocumentBatch, gone: np.ndarray, kept: np.ndarray, score: np.ndarray) -> Any:
    is_gone = np.zeros(task.num_items, bool)
    duplicate_of, similarity = np.zeros(task.num_items, np.int64), np.zeros(task.num_items)
    is_gone[gone], duplicate_of[gone], similarity[gone] = True, kept, score
    data = task.data
    for name, values in zip(MARKS, (duplicate_of, similarity), strict=True):
        column = pa.array(values, mask=~is_gone)
        if isinstance(data, pa.Table):
            data = data.append_column(name, column)
        else:
            of_type = "Int64" if name == MARKS[0] else "float64"
            data = data.assign(**{name: column.to_pandas(integer_object_nulls=True).array}).astype(
                {name: of_type}
            )
    return data
