"""The verdict on the rows of one part, what identifies it, and the evidence that it becomes."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.kernels import text_buffers
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.verdict import EXACT, MEASURED, VERDICT
from toolkit.records import evidence
from toolkit.storage import digest_json, read_ipc, sha256_bytes

_KEPT = ["id", "source_id", "origin"]
_COPY = json.dumps({"compared": "normalised text, byte for byte"})


def part_verdict(corpus: Corpus, part: int) -> pa.Table:
    """The verdict on the rows of a part that go, ascending; ``row`` counts within the part."""
    verdict = read_ipc(corpus.work / VERDICT)
    first, last = corpus.bounds()[part]
    start, stop = np.searchsorted(verdict["row"].to_numpy(), [first, last])
    rows = verdict.slice(start, stop - start)
    return rows.set_column(0, "row", pc.subtract(rows["row"], first))


def verdict_digests(corpus: Corpus) -> list[str]:
    """What identifies the verdict on each part's rows: who goes, what was measured, and for whom."""
    return [_digest(corpus, part_verdict(corpus, part)) for part in range(len(corpus.stems))]


def _digest(corpus: Corpus, gone: pa.Table) -> str:
    kept = corpus.take(gone["kept_by"].to_numpy(), _KEPT)
    columns = [gone[name] for name in ("row", "method", *MEASURED)]
    columns += [kept["id"], kept["source_id"], *kept["origin"].combine_chunks().flatten()]
    return digest_json([sha256_bytes(piece) for column in columns for piece in _bytes_of(column)])


def _bytes_of(column: pa.ChunkedArray | pa.Array) -> list[bytes]:
    """What a column of numbers or of texts without nulls holds."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return [np.ascontiguousarray(column.to_numpy()).tobytes()]
    data, offsets = text_buffers(column)
    return [data[offsets[0] : offsets[-1]].tobytes(), np.diff(offsets).tobytes()]


def proof_of(corpus: Corpus, gone: pa.Table, verdict: pa.Table, settings: Dedup) -> pa.Table:
    """The evidence for the rows ``gone``, with the verdict on each."""
    kept = corpus.take(verdict["kept_by"].to_numpy(), _KEPT)
    exact = pc.equal(verdict["method"], EXACT)
    shared, union = verdict["shared"].to_numpy(), verdict["union"].to_numpy()
    return evidence(
        gone,
        method=pc.if_else(exact, "exact", "near"),
        score=pa.array(shared / np.maximum(union, 1), pa.float64()),
        threshold=pc.if_else(exact, 1.0, settings.threshold),
        kept_id=kept["id"],
        kept_source=kept["source_id"],
        kept_origin=kept["origin"],
        detail=pc.if_else(exact, _COPY, _details(verdict, settings.shingle)),
    )


def _details(verdict: pa.Table, shingle: str) -> pa.ChunkedArray:
    """What was measured of each pair, as JSON text."""
    shared, union, of_kept, of_removed, met = (verdict[name].cast(pa.string()) for name in MEASURED)
    none = pc.equal(pc.add(verdict["common_of_kept"], verdict["common_of_removed"]), 0)
    common = _joined(', "common_left_out": [', of_removed, ", ", of_kept, "]")
    begin = f'{{"shingle": {json.dumps(shingle)}, "intersection": '
    common = pc.if_else(none, "", common)
    return _joined(begin, shared, ', "union": ', union, common, ', "bands_met": ', met, "}")


def _joined(*pieces: str | pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*pieces, "")
