"""Parts of plain files through dedup: sketched on the way in, their survivors written on the way out.

What a part holds is read again for the survivors, so a record goes out as the bytes it came as.
Beside the survivors stands their index: what a later run needs to compare new texts with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.kernels.json_lines import add_mod128, leading_u64
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.books import removal_ledger
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.plain.compared import Compared, compared_texts
from toolkit.pipeline.stages.plain.parts import TextPart
from toolkit.pipeline.stages.plain.rows import Rows, lines_at, read_rows
from toolkit.pipeline.stages.plain.survivors import write_survivors
from toolkit.pipeline.stages.proof import part_verdict, proof_of
from toolkit.pipeline.stages.sketches import group_of, sketch_files, write_rows
from toolkit.storage import (
    Group,
    IdHash,
    Ledger,
    Output,
    PartManifest,
    read_array,
    read_ipc,
    write_array,
    write_atomic,
    write_ipc,
    write_parquet,
)

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)


@dataclass(frozen=True)
class TextJob:
    """A part of the input: its records read, their texts normalised."""

    out: Path
    part: TextPart
    text: str | None
    settings: Dedup

    @property
    def stem(self) -> Path:
        """Where the rows wait; see ``sketches``."""
        return self.out / WORK / "texts" / self.part.part

    @property
    def key(self) -> str:
        """See job_key."""
        return job_key("texts", part=self.part.identity(), text=self.text, settings=as_data(self.settings))

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.out, manifest_beside(self.stem), self.key)

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.stem))
        found = read_rows(self.part)
        compared = compared_texts(found, self.text)
        ids = found.ids(compared.texts)
        table, order_id = _rows(self.part, found, compared, ids), leading_u64(ids)[:, 0]
        names = [name for name in self.settings.keep if name not in ("rank", "length", "id")]
        facts = {name: found.number(name) for name in names}
        facts["rank"] = np.full(len(found), self.part.source)
        kind = np.zeros(len(found), np.int8)
        group = group_of(self.part.source, compared.conversation, self.settings)
        write_rows(self.stem, table, compared.texts, kind, group, order_id, facts, self.settings)
        outputs = [Output.of(self.out, path, len(found)) for path in sketch_files(self.stem)[::2]]
        path = self.out / "quarantine" / "texts" / f"{self.part.part}.jsonl"
        if found.quarantine:
            write_atomic(path, found.quarantine)
            outputs.append(Output.of(self.out, path, sum(g.records for g in found.rejected.values())))
        else:
            path.unlink(missing_ok=True)
        books, without = [_books(found, compared, ids)], {"without": compared.without}
        manifest = PartManifest(f"texts {self.part.part}", self.key, outputs, books, without)
        manifest.write(manifest_beside(self.stem))
        return [manifest]


@dataclass(frozen=True)
class SurvivorJob:
    """A part of the input and the verdict on its rows: what stays, with its index, and the evidence."""

    out: Path
    part: TextPart
    corpus: Corpus
    number: int
    verdict_digest: str
    sketch_key: str
    settings: Dedup

    @property
    def proof(self) -> Path:
        """The evidence of what went."""
        return self.out / WORK / "evidence" / f"{self.part.part}.parquet"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.out, manifest_beside(self.proof), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.proof))
        table = read_ipc(sketch_files(self.corpus.stems[self.number])[0]).drop_columns(["normal"])
        verdict = part_verdict(self.corpus, self.number)
        gone = verdict["row"].to_numpy()
        kept = np.delete(np.arange(len(table)), gone)
        proof = proof_of(self.corpus, table.take(pa.array(gone)), verdict, self.settings)
        write_parquet(self.proof, proof)
        outputs = [*self._survivors(table, kept), *self._index(kept)]
        outputs.append(Output.of(self.out, self.proof, len(proof)))
        ledger = removal_ledger("dedup", table, table.take(pa.array(kept)), proof)
        manifest = PartManifest(f"survivors {self.part.part}", self._key(), outputs, [ledger])
        manifest.write(manifest_beside(self.proof))
        return [manifest]

    def _survivors(self, table: pa.Table, kept: np.ndarray) -> list[Output]:
        rows = read_rows(self.part) if self.part.format == "parquet" else lines_at(self.part, table["origin"])
        path = write_survivors(self.out, self.part, rows, kept)
        return [] if path is None else [Output.of(self.out, path, len(kept))]

    def _index(self, kept: np.ndarray) -> list[Output]:
        table, keys, sketch = sketch_files(self.corpus.stems[self.number])
        paths = sketch_files(self.out / "index" / self.part.part)
        if not len(kept):
            for path in paths:
                path.unlink(missing_ok=True)
            return []
        write_ipc(paths[0], read_ipc(table).take(pa.array(kept)))
        write_array(paths[1], read_array(keys)[:, kept])
        write_ipc(paths[2], read_ipc(sketch).take(pa.array(kept)))
        return [Output.of(self.out, path, len(kept)) for path in paths]

    def _key(self) -> str:
        return job_key("survivors", sketched=self.sketch_key, verdict=self.verdict_digest)


def _rows(part: TextPart, found: Rows, compared: Compared, ids: np.ndarray) -> pa.Table:
    """What evidence must say of each record."""
    count = len(found)
    path = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), [part.name]).cast(pa.string())
    places = [pa.array(column) for column in (found.line, found.offset, found.length)]
    origin = pa.StructArray.from_arrays([path, *places], ["path", "line", "offset", "length"])
    source = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), [part.source_name])
    size = _sizes(compared)
    return pa.table(
        {
            "id": hex_ids(ids),
            "source_id": source.cast(pa.string()),
            "origin": origin,
            "regime": pa.nulls(count, pa.string()),
            "token_estimate": pa.array(np.maximum(1, (size + 3) // 4), pa.int32()),
        }
    )


def hex_ids(ids: np.ndarray) -> pa.Array:
    """Ids uint8 (n, 32) as text, 64 hex digits each."""
    digits = np.ascontiguousarray(_HEX[ids])
    offsets = np.arange(0, 64 * len(ids) + 1, 64, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
    return pa.Array.from_buffers(pa.large_string(), len(ids), buffers).cast(pa.string())


def _sizes(compared: Compared) -> np.ndarray:
    """int64: the bytes of each text."""
    return pc.binary_length(compared.texts).to_numpy().astype(np.int64)


def _books(found: Rows, compared: Compared, ids: np.ndarray) -> Ledger:
    """What was read, in bytes of lines or, of tables, of texts."""
    sizes = found.length if found.table is None else _sizes(compared)
    out = Group(len(ids), int(sizes.sum()), IdHash(add_mod128(leading_u64(ids))))
    return Ledger("texts", "bytes", sum(found.rejected.values(), out), out, found.rejected).check()
