"""The first layer of a lake: what is in bronze, its books and rates, and how far it may be rejected."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import GateError
from toolkit.pipeline.alarms import alarms
from toolkit.pipeline.delivered_again import delivered_again
from toolkit.pipeline.deliveries import unbalanced
from toolkit.pipeline.rates import count_parts, rates
from toolkit.pipeline.recovered import recovered, with_recovered
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Spec
from toolkit.pipeline.stages.identity import identity
from toolkit.storage import Ledger, Output, PartManifest


@dataclass(frozen=True)
class Bronze:
    """What is in bronze: the sources as the root manifest lists them, and their parts' manifests."""

    listing: Sequence[Mapping[str, Any]]
    manifests: Mapping[str, Sequence[PartManifest]]

    def ledger(self) -> Ledger:
        """The books of ingest, files delivered again included."""
        books = Ledger("ingest", "bytes")
        for source in self.listing:
            parts = self.manifests[source["id"]]
            books = sum((m.ledgers[0] for m in parts), books) + delivered_again(source["files"], parts)
        return books.check()


@dataclass(frozen=True)
class Built:
    """Every file of the lake, the books of every stage, and what dedup and packing report."""

    outputs: Sequence[Output]
    ledgers: Sequence[Ledger]
    facts: Mapping[str, Any]


def build_bronze(spec: Spec, bronze: Bronze, runner: Runner) -> Built:
    """The outputs and the books of a lake that ends with bronze: ingest and identity, checked."""
    lake = spec.lake_path
    check_rejects(spec, bronze.listing, bronze.manifests)
    same = runner.alone("identity", lambda: identity(lake, spec, bronze.manifests))
    ledgers = [bronze.ledger(), same.ledgers[0]]
    check_chain(ledgers)
    ledgers = with_recovered(lake, ledgers, bronze.listing, bronze.manifests)
    parts = [*(manifest for source in bronze.manifests.values() for manifest in source), same]
    return Built([o for part in parts for o in part.outputs], ledgers, door_facts(lake, bronze, same))


def check_chain(ledgers: Sequence[Ledger]) -> None:
    """GateError unless what leaves each stage is what enters the next, by count and by id hash."""
    for before, after in itertools.pairwise(ledgers):
        out, came = before.records_out, after.records_in
        if (out.records, out.ids) != (came.records, came.ids):
            raise GateError(
                f"{before.stage} passed on {out.records} records, {after.stage} took {came.records}. "
                "Nothing was published. This is a defect: keep the lake and report it."
            )


def check_files(
    listing: Sequence[Mapping[str, Any]], manifests: Mapping[str, Sequence[PartManifest]]
) -> None:
    """GateError unless every byte of every file is accounted for."""
    for source in listing:
        if problems := unbalanced(source["files"], manifests[source["id"]]):
            raise GateError(
                f"source {source['id']!r}, {problems[0]}. Nothing was published. This is a defect: keep the "
                "lake and report it."
            )


def check_rejects(
    spec: Spec, listing: Sequence[Mapping[str, Any]], manifests: Mapping[str, Sequence[PartManifest]]
) -> None:
    """GateError when a source has more rejects than the spec allows."""
    check_files(listing, manifests)
    for source in listing:
        books = sum((m.ledgers[0] for m in manifests[source["id"]]), Ledger("ingest", "bytes"))
        repaired = recovered(spec.lake_path, source["files"], manifests[source["id"]]).get("ingest", {})
        rejected = sum(group.records for group in books.quarantined.values())
        rejected -= sum(group.records for group in repaired.values())
        limit = spec.ingest.max_reject_share
        if rejected > limit * books.records_in.records:
            worst = max(books.quarantined, key=lambda reason: books.quarantined[reason].records)
            raise GateError(
                f"source {source['id']!r}: {rejected} of {books.records_in.records} lines were rejected, "
                f"most of them {worst}; ingest.max_reject_share allows {limit:.2%}. Nothing was published. "
                f"See them with: toolkit quarantine {spec.lake_path}"
            )


def door_facts(lake: Path, bronze: Bronze, same: PartManifest) -> dict[str, Any]:
    """What came in at which rates, and what is unusual about it."""
    counted = count_parts(lake, bronze.listing, bronze.manifests, same)
    again = {
        source["id"]: delivered_again(source["files"], bronze.manifests[source["id"]]).records_in.records
        for source in bronze.listing
    }
    return {"rates": rates(counted, again), "alarms": alarms(counted, bronze.listing, bronze.manifests)}
