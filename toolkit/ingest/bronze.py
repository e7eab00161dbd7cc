"""A bronze line: provenance around the payload's own bytes.

    {"record_id":"…","origin":{"path":"…","line":1,"offset":0,"length":9},<facts>,"payload":…}

The payload is never decoded and encoded again: it is the last field, copied verbatim, so
numbers, key order, escapes and spacing arrive as they were sent. (The one change: a record
printed over several lines gets spaces for its line ends.) Everything else is known from the
spec and the place of the line; there is no clock in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.ingest.frames import Frames
from toolkit.ingest.validate import Judged, value_of
from toolkit.kernels.json_lines import GOOD, alike

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Facts:
    """The different provenances of a span's records: their JSON ``texts`` without braces, their licences."""

    texts: list[bytes]
    licenses: list[str | None]


@dataclass(frozen=True)
class Door:
    """What the spec says of a source, carried by each of its records."""

    source_id: str
    source_type: str
    source_rank: int
    license: str | None
    consent: bool | None
    pii: str | None
    logical_date: str
    run_id: str

    def facts(self, frames: Frames, judged: Judged) -> tuple[Facts, np.ndarray]:
        """The provenances of a span's records, and which of them each has, int64[n]."""
        scan = judged.scan
        number, first = alike(frames.data, scan.places)  # records that say the same of themselves
        numbers: dict[tuple[str | None, str | None, bool], int] = {}
        told = [self._told(frames, judged, row) for row in first.tolist()]
        table = [numbers.setdefault((*one, mail), len(numbers)) for one in told for mail in (False, True)]
        which = np.array(table, np.int64)[2 * number + scan.mail] if len(number) else number
        for row in np.flatnonzero((scan.ask | (scan.verdict != GOOD)) & judged.good).tolist():
            key = (*self._parsed(frames, row), bool(scan.mail[row]))
            which[row] = numbers.setdefault(key, len(numbers))
        texts = [self._text(*key) for key in numbers]
        return Facts(texts, [license for license, _, _ in numbers]), which

    def _told(self, frames: Frames, judged: Judged, row: int) -> tuple[str | None, str | None]:
        """(licence, model) of a record, from where the scan found them."""
        scan = judged.scan
        places = [p[row] for p in (scan.license, scan.generator, scan.model)]
        license, generator, model = (
            frames.data[a:b].tobytes().decode("utf-8", "replace") if a >= 0 else None for a, b in places
        )
        return license or self.license, generator or model

    def _parsed(self, frames: Frames, row: int) -> tuple[str | None, str | None]:
        """(licence, model) of a record that only a parser can read."""
        value = value_of(frames.payload(row))
        return self.license_of(value), _model_of(value)

    def license_of(self, value: Mapping[str, Any]) -> str | None:
        """A record's own ``license`` if it states one, else its source's."""
        own = value.get("license")
        return own if isinstance(own, str) and own.strip() and _is_text(own) else self.license

    def _text(self, license: str | None, model: str | None, mail: bool) -> bytes:
        facts = {
            "source_id": self.source_id,
            "source_type": self.source_type,
            "source_rank": self.source_rank,
            "license": license,
            "consent": self.consent,
            "pii": self.pii or ("suspected" if mail else None),
            "generator_model": model,
            "logical_date": self.logical_date,
            "run_id": self.run_id,
            "schema_version": SCHEMA_VERSION,
        }
        return json.dumps(facts, separators=(",", ":"), ensure_ascii=False)[1:-1].encode()


def _model_of(value: Mapping[str, Any]) -> str | None:
    model = value.get("generator_model") or value.get("model")
    return model if isinstance(model, str) and _is_text(model) else None


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)
