"""What each source loses as duplicates, and when somebody should look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.errors import GateError
from toolkit.storage import PartManifest

FEW = 20  # records of a source that may all go without anybody being told
MANY = 100  # texts of one bucket, or masked pairs, from which on they tell something


def losses_of(names: Sequence[str], made: Sequence[PartManifest]) -> list[dict[str, Any]]:
    """Records in and removed of each source, whose parts have these names."""
    found: dict[str, dict[str, Any]] = {}
    for name, manifest in zip(names, made, strict=True):
        books = manifest.ledgers[0]
        entry = found.setdefault(name, {"input": name, "in": 0, "removed": 0})
        entry["in"] += books.records_in.records
        entry["removed"] += sum(group.records for group in books.removed.values())
    return list(found.values())


def check_losses(losses: Sequence[Mapping[str, Any]], most: float) -> None:
    """GateError when a source loses more than the share ``most`` of its records."""
    for loss in losses:
        if loss["removed"] > most * loss["in"]:
            raise GateError(
                f"{loss['input']} would lose {loss['removed']:,} of {loss['in']:,} records as duplicates, "
                f"more than max_loss = {most} allows. Nothing was published."
            )


def loss_alarms(losses: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a person should look at: each with a ``source``, a ``rate`` and a ``message``.

    A source that loses more than half; a bucket that holds more than half of a source; templates
    left out of more than half of the similar pairs that leave nothing in which the two differ.
    """
    told = []
    for loss in losses:
        name, size, crowd = loss["input"], loss["in"], facts["crowds"].get(loss["input"], 0)
        if size >= FEW and loss["removed"] > 0.5 * size:
            told.append(
                (name, "duplicates", f"{name} loses {loss['removed'] / size:.0%} of its {size:,} records")
            )
        if crowd >= MANY and crowd > 0.5 * size:
            what = f"one bucket holds {crowd:,} of the {size:,} records of {name}: a template may decide"
            told.append((name, "one bucket", what))
    masked, same = facts["masked_pairs"], facts["masked_pairs_at_one"]
    if same >= MANY and same > 0.5 * masked:
        what = (
            f"without their templates {same:,} of {masked:,} similar pairs are equal: too much is left out?"
        )
        told.append(("", "equal without templates", what))
    return [{"source": name, "rate": rate, "message": message} for name, rate, message in told]
