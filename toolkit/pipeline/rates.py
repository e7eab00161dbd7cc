"""How much came in at the door, how much of it was good, and how much had come before.

Counted by part from the manifests of bronze and from the evidence of the identity stage, so
that the same lake gives the same numbers on any machine. What was forgotten on request says
nothing about a source's quality: it is left out of ``records``.

    records = accepted + quarantined        in tokens, estimated: (bytes + 3) // 4 of each part
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.storage import PartManifest, part_of, read_parquet

METHODS = ("duplicate_id", "duplicate_payload")
COLUMNS = ("part", "delivery", "records", "accepted", "duplicates", "bytes", "payload_bytes")
_EVIDENCE = ["removed_source", "method", "kept_source", "kept_origin", "detail"]


@dataclass(frozen=True)
class Counts:
    """One part of bronze: records and raw bytes in, what was good, and why the rest was not.

    ``delivery`` numbers the source's deliveries from 0; ``duplicates`` counts, by method, the
    records that were not the first of their kind when they arrived.
    """

    part: str
    delivery: int
    records: int
    accepted: int
    bytes: int
    payload_bytes: int
    quarantined_bytes: int
    forgotten: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    duplicates: Mapping[str, int] = field(default_factory=dict)


def count_parts(
    lake: Path,
    listing: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Sequence[PartManifest]],
    same: PartManifest,
) -> dict[str, list[Counts]]:
    """The counts of every part, by source, in the order in which the parts came.

    ``listing`` are the sources as the root manifest lists them, ``same`` is the manifest of the
    identity stage.
    """
    repeats = _repeats(lake, same)
    return {
        source["id"]: [_counts(source, manifest, repeats) for manifest in manifests[source["id"]]]
        for source in listing
    }


def rates(counted: Mapping[str, Sequence[Counts]], again: Mapping[str, int]) -> dict[str, Any]:
    """The fact ``rates`` of a root manifest: all there is to know of a source, and a short row a part.

    ``again`` counts, by source, the records of files that were delivered again: none of them
    entered, so no share is of them.
    """
    return {
        "sources": {name: source_rates(parts) | {"again": again[name]} for name, parts in counted.items()},
        "columns": list(COLUMNS),
        "shards": {name: [_row(part) for part in parts] for name, parts in counted.items()},
    }


def source_rates(parts: Sequence[Counts]) -> dict[str, Any]:
    """Counts and shares of some parts together; every share is of ``records``, but for duplicates.

    ``duplicate_shares`` are of the accepted records, ``accepted_token_share`` of the estimated
    tokens of all records.
    """
    records, accepted = (sum(getattr(part, name) for part in parts) for name in ("records", "accepted"))
    good = sum(estimated_tokens(part.payload_bytes) for part in parts)
    bad = sum(estimated_tokens(part.quarantined_bytes) for part in parts)
    reasons = _summed(part.quarantined for part in parts)
    duplicates = dict.fromkeys(METHODS, 0) | _summed(part.duplicates for part in parts)
    return {
        "parts": len(parts),
        "records": records,
        "accepted": accepted,
        "bytes": sum(part.bytes for part in parts),
        "payload_bytes": sum(part.payload_bytes for part in parts),
        "forgotten": sum(part.forgotten for part in parts),
        "quarantined": reasons,
        "quarantined_shares": {reason: _share(count, records) for reason, count in reasons.items()},
        "parse_failure_share": _share(records - accepted, records),
        "duplicates": duplicates,
        "duplicate_shares": {method: _share(count, accepted) for method, count in duplicates.items()},
        "accepted_share": _share(accepted, records),
        "estimated_tokens": good + bad,
        "accepted_estimated_tokens": good,
        "accepted_token_share": _share(good, good + bad),
    }


def estimated_tokens(size: int) -> int:
    """Tokens of ``size`` bytes of text, estimated at four bytes a token."""
    return (size + 3) // 4


def _counts(source: Mapping[str, Any], manifest: PartManifest, repeats: Mapping[Any, int]) -> Counts:
    books = manifest.ledgers[0]
    part = f"{source['id']}/{part_of(manifest.outputs[0].path)}"
    quarantined = {reason: group.records for reason, group in sorted(books.quarantined.items())}
    forgotten = books.removed["forgotten"].records if "forgotten" in books.removed else 0
    duplicates = {method: repeats[part, method] for method in METHODS if (part, method) in repeats}
    return Counts(
        part=part,
        delivery=source["files"][manifest.facts["pieces"][0]["file"]]["delivery"],
        records=books.records_in.records - forgotten,
        accepted=books.records_out.records,
        bytes=books.records_in.size + sum(books.overhead.values()),
        payload_bytes=manifest.facts["payload_bytes"],
        quarantined_bytes=sum(group.size for group in books.quarantined.values()),
        forgotten=forgotten,
        quarantined=quarantined,
        duplicates=duplicates,
    )


def _repeats(lake: Path, same: PartManifest) -> Counter[tuple[str, str]]:
    """(part, method) -> repeats, each in the part that brought it.

    The evidence names what goes, and for an id given twice that is what came first. Of such a
    group all but the first were repeats when they arrived: the kept one is counted, and the
    earliest of those it replaced is not.
    """
    found: Counter[tuple[str, str]] = Counter()
    replaced: list[pa.Table] = []
    for output in same.outputs:
        part = output.path.removeprefix("evidence/identity/").removesuffix(".parquet")
        table = read_parquet(lake / output.path, _EVIDENCE)
        for pair in pc.value_counts(table["method"]).to_pylist():
            found[part, pair["values"]] += pair["counts"]
        replaced.append(_replaced(table, int(part.rpartition("-")[2])))
    for row in _first_replaced(replaced):
        source, method = row["kept_source"], row["method"]
        found[f"{source}/part-{row['number_min']:05d}", method] -= 1
        found[f"{source}/part-{row['kept_number']:05d}", method] += 1
    return found


def _replaced(table: pa.Table, number: int) -> pa.Table:
    """The rows of part ``number`` that a later part of the same source stands for."""
    inside = table.filter(pc.equal(table["kept_source"], table["removed_source"]))
    kept = pc.extract_regex(inside["detail"].combine_chunks(), r'/part-(?P<number>\d+)"\}$').field("number")
    columns = {"kept_number": kept.cast(pa.int64()), "number": pa.array([number] * len(kept), pa.int64())}
    columns |= {name: inside[name] for name in ("method", "kept_source")}
    where = inside["kept_origin"].combine_chunks()
    columns |= {name: pc.struct_field(where, name) for name in ("path", "line", "offset")}
    found = pa.table(columns)
    return found.filter(pc.greater(found["kept_number"], found["number"]))


def _first_replaced(tables: Sequence[pa.Table]) -> list[dict[str, Any]]:
    """One row a kept record: its part and, ``number_min``, the earliest that held one it replaced."""
    if not tables:
        return []
    kept = ["kept_source", "kept_number", "method", "path", "line", "offset"]
    return pa.concat_tables(tables).group_by(kept).aggregate([("number", "min")]).to_pylist()


def _row(part: Counts) -> list[Any]:
    values = vars(part) | {
        "part": part.part.rpartition("/")[2],
        "duplicates": sum(part.duplicates.values()),
    }
    return [values[name] for name in COLUMNS]


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return {name: total[name] for name in sorted(total)}


def _share(count: int, of: int) -> float:
    return round(count / of, 9) if of else 0.0
