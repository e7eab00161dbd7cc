"""Hard gates: a record passes all of them or is removed, and the evidence names the first it failed.

Gates are tried in the order of GATES. Rights come first: a record that may not be used is
removed for that reason, however well it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.records import evidence

GATES = {
    "filter:license": "its licence is on the deny list",
    "filter:generator": "the model that wrote it is on the deny list",
    "filter:tie": "chosen and rejected are the same, so nothing is preferred",
    "filter:min_chars": "fewer characters than wanted",
    "filter:min_words": "fewer words than wanted",
    "filter:min_alpha_share": "a smaller share of letters than wanted",
}


@dataclass(frozen=True)
class _Failure:
    reason: str
    rows: np.ndarray
    score: np.ndarray
    threshold: float | None
    detail: str


def gate(
    table: pa.Table,
    minimum: Mapping[str, float],
    deny_licenses: Sequence[str] = (),
    deny_generators: Sequence[str] = (),
) -> tuple[np.ndarray, pa.Table]:
    """Apply the gates to canonical rows with ``quality`` filled in.

    ``minimum`` maps chars, words, alpha_share to their least value. Returns (bool mask of
    the rows that pass, evidence of those that do not, in row order).
    """
    reason = np.full(len(table), -1, np.int64)
    failures = [_denied(table, "license", deny_licenses), _denied(table, "generator_model", deny_generators)]
    failures.append(_ties(table))
    failures += [_below(table, name, minimum.get(name, 0)) for name in ("chars", "words", "alpha_share")]
    for number, failure in enumerate(failures):
        reason[failure.rows & (reason < 0)] = number
    gone = np.flatnonzero(reason >= 0)
    first = [failures[reason[row]] for row in gone]
    proof = evidence(
        table.take(gone),
        method=[failure.reason for failure in first],
        score=[float(failure.score[row]) for failure, row in zip(first, gone, strict=True)],
        threshold=[failure.threshold for failure in first],
        detail=[failure.detail for failure in first],
    )
    return reason < 0, proof


def _denied(table: pa.Table, column: str, denied: Sequence[str]) -> _Failure:
    hit = pc.is_in(table[column], pa.array(list(denied), pa.string()))
    rows = pc.and_(hit, pc.is_valid(table[column])).to_numpy().astype(bool)
    reason = "filter:license" if column == "license" else "filter:generator"
    return _Failure(reason, rows, rows.astype(float), 1.0, json.dumps({"denied": list(denied)}))


def _ties(table: pa.Table) -> _Failure:
    pair = pc.equal(table["regime"], "preference").to_numpy().astype(bool)
    rows = np.zeros(len(table), bool)
    at = np.flatnonzero(pair)
    chosen, rejected = (table[name].take(pa.array(at)).to_pylist() for name in ("chosen", "rejected"))
    rows[at] = [left == right for left, right in zip(chosen, rejected, strict=True)]
    return _Failure("filter:tie", rows, rows.astype(float), 1.0, json.dumps({"chosen": "equals rejected"}))


def _below(table: pa.Table, name: str, least: float) -> _Failure:
    score = pc.struct_field(table["quality"], name).to_numpy().astype(float)
    rows = score < (np.float32(least) if name == "alpha_share" else least)
    return _Failure(f"filter:min_{name}", rows, score, float(least), json.dumps({"measure": name}))
