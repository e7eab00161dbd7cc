"""The scoreboard of masks: templates × ways of masking, on conversations that are awkward on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import tokenizers

if TYPE_CHECKING:
    from toolkit.packing.chat.template import Template
    from toolkit.packing.proving.ways import Way


@dataclass(frozen=True)
class MaskAudit:
    """The scores of every template and way; ``ok`` if ours broke nothing and refused nothing."""

    scores: Sequence[object]
    summary: str
    table: str
    ok: bool

    def __repr__(self) -> str:
        return f"{self.summary}\n\n{self.table}"


def audit_masks(templates: Sequence[str | Path] = ()) -> MaskAudit:
    """Score ways of masking on each of ``templates``: names of ready ones or files; all ready ones if none.

    A way is wrong on a conversation when it leaves a character of the assistant untrained, trains another,
    does not train the stop token, or takes for a control token what somebody wrote. transformers is one
    of the ways where it is installed. Raises RequestError for a template that cannot be read.
    """
    from toolkit.packing.chat.template import READY, read_template
    from toolkit.packing.proving.audit import audit_masks as scores_of
    from toolkit.packing.proving.audit import summary, table
    from toolkit.packing.proving.ways import OURS, WAYS

    read = [read_template(name) for name in templates] or list(READY.values())
    scores = scores_of(read, WAYS | _of_transformers(READY))
    ours = [score for score in scores if score.way == OURS]
    good = all(not score.wrong and not score.refused for score in ours)
    return MaskAudit(scores, summary(scores), table(scores), good)


def _of_transformers(ready: Mapping[str, Template]) -> dict[str, Way]:
    """The masks of transformers, with templates as they are published and with marks; {} without it."""
    if find_spec("transformers") is None or not hasattr(tokenizers, "AddedToken"):
        return {}
    from toolkit.packing.proving.marked import marked
    from toolkit.packing.proving.transformers_way import transformers_mask

    with_marks = {name: marked(name) for name in ready}
    return {
        "transformers mask, no marks": transformers_mask(),
        "transformers mask, marked template": transformers_mask(with_marks),
    }
