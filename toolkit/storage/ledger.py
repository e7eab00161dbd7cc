"""The books of a stage: what came in, what went out, what was set aside, and why.

    in = out + sum of quarantined by reason + sum of removed by reason

in records, in size (bytes up to the canonical record, tokens from there on) and in the
commutative hash of the record ids. A stage whose books do not balance fails. Ledgers of
parts add up to the ledger of their stage, so the check is the same for one and for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import GateError
from toolkit.storage.digest import IdHash


@dataclass(frozen=True)
class Group:
    """Some records: how many, how large together, and the hash of their ids."""

    records: int = 0
    size: int = 0
    ids: IdHash = field(default_factory=IdHash)

    @classmethod
    def of(cls, ids: Iterable[str], sizes: Iterable[int]) -> Group:
        """Group the records with these hex ids and these sizes."""
        names = list(ids)
        return cls(len(names), int(sum(sizes)), IdHash.of(names))

    def __add__(self, other: Group) -> Group:
        return Group(self.records + other.records, self.size + other.size, self.ids + other.ids)

    def __sub__(self, other: Group) -> Group:
        return Group(self.records - other.records, self.size - other.size, self.ids - other.ids)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"records": self.records, "size": self.size, "ids": str(self.ids)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Group:
        """Read what ``to_dict`` wrote."""
        return cls(data["records"], data["size"], IdHash.parse(data["ids"]))


@dataclass(frozen=True)
class Ledger:
    """One stage's books; ``unit`` is ``bytes`` or ``tokens``; ``overhead`` is bytes that are no record.

    ``recovered`` says of some of the ``quarantined`` that a repaired form of them came in later.
    """

    stage: str
    unit: str
    records_in: Group = field(default_factory=Group)
    records_out: Group = field(default_factory=Group)
    quarantined: Mapping[str, Group] = field(default_factory=dict)
    removed: Mapping[str, Group] = field(default_factory=dict)
    overhead: Mapping[str, int] = field(default_factory=dict)
    recovered: Mapping[str, Group] = field(default_factory=dict)

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(
            self.stage,
            self.unit,
            self.records_in + other.records_in,
            self.records_out + other.records_out,
            _add(self.quarantined, other.quarantined, Group()),
            _add(self.removed, other.removed, Group()),
            _add(self.overhead, other.overhead, 0),
            _add(self.recovered, other.recovered, Group()),
        )

    @property
    def accounted(self) -> Group:
        """Everything the stage can show: out, quarantined and removed."""
        return sum([*self.quarantined.values(), *self.removed.values()], self.records_out)

    def check(self) -> Ledger:
        """Return self; raise GateError when in differs from out + quarantined + removed."""
        if self.records_in != self.accounted:
            found, wanted = self.accounted, self.records_in
            raise GateError(
                f"stage {self.stage}: {wanted.records} records ({wanted.size} {self.unit}, ids {wanted.ids}) "
                f"came in, but {found.records} ({found.size}, ids {found.ids}) are accounted for. "
                "Nothing was published. This is a defect: keep the lake and report it."
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, reasons sorted."""
        return {
            "stage": self.stage,
            "unit": self.unit,
            "in": self.records_in.to_dict(),
            "out": self.records_out.to_dict(),
            "quarantined": {k: self.quarantined[k].to_dict() for k in sorted(self.quarantined)},
            "removed": {k: self.removed[k].to_dict() for k in sorted(self.removed)},
            "overhead": {k: self.overhead[k] for k in sorted(self.overhead)},
            "recovered": {k: self.recovered[k].to_dict() for k in sorted(self.recovered)},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ledger:
        """Read what ``to_dict`` wrote."""
        return cls(
            data["stage"],
            data["unit"],
            Group.from_dict(data["in"]),
            Group.from_dict(data["out"]),
            {k: Group.from_dict(v) for k, v in data["quarantined"].items()},
            {k: Group.from_dict(v) for k, v in data["removed"].items()},
            dict(data["overhead"]),
            {k: Group.from_dict(v) for k, v in data["recovered"].items()},
        )


def _add(left: Mapping[str, Any], right: Mapping[str, Any], zero: Any) -> dict[str, Any]:
    return {key: left.get(key, zero) + right.get(key, zero) for key in sorted({*left, *right})}
