"""What each input of a dedup loses, and when somebody should look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.errors import GateError
from toolkit.pipeline.stages.plain import TextPart
from toolkit.storage import PartManifest


def losses_of(parts: Sequence[TextPart], made: Sequence[PartManifest]) -> list[dict[str, Any]]:
    """Records in and removed of each input."""
    found: dict[int, dict[str, Any]] = {}
    for part, manifest in zip(parts, made, strict=True):
        books = manifest.ledgers[0]
        entry = found.setdefault(part.source, {"input": f"input-{part.source}", "in": 0, "removed": 0})
        entry["in"] += books.records_in.records
        entry["removed"] += sum(group.records for group in books.removed.values())
    return [found[source] for source in sorted(found)]


def check_losses(losses: Sequence[Mapping[str, Any]], most: float) -> None:
    """GateError when an input loses more than the share ``most`` of its records."""
    for loss in losses:
        if loss["removed"] > most * loss["in"]:
            raise GateError(
                f"{loss['input']} would lose {loss['removed']:,} of {loss['in']:,} records, more than "
                f"max_loss = {most} allows. Nothing was published."
            )


def alarms_of(losses: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[str]:
    """What a person should look at, a line each: an input that loses half, a bucket that holds half."""
    told = [
        f"{loss['input']} loses {loss['removed'] / loss['in']:.0%} of its {loss['in']:,} records"
        for loss in losses
        if loss["in"] >= 20 and loss["removed"] > 0.5 * loss["in"]
    ]
    if facts["largest_bucket"] >= 100 and facts["largest_bucket"] > 0.5 * sum(loss["in"] for loss in losses):
        told.append(
            f"one bucket holds {facts['largest_bucket']:,} texts: do most share a template that decides?"
        )
    return told
