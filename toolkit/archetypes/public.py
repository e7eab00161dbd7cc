"""Public datasets: what one downloads, in every shape that somebody once chose.

What is messy here: a byte order mark at the start of a file, CRLF line ends, transcripts as one
string, a prompt that is only the shared beginning of two transcripts, and a mixture in which the
regime changes from line to line.
"""

from __future__ import annotations

from typing import Any

from toolkit.archetypes import shapes
from toolkit.archetypes.feed import Feed, Source
from toolkit.archetypes.sample import Sample

SHAREGPT = Source("public-conversations", "public_dataset", "public/sharegpt.jsonl", "cc-by-4.0", "sft", 1)
HELPFUL = Source("public-helpful", "public_dataset", "public/helpful.jsonl", "mit", "preference", 1)
GSM = Source("public-word-problems", "public_dataset", "public/word_problems.jsonl", "mit", "rl", 1)
MIXED = Source("public-mixture", "public_dataset", "public/mixture.jsonl.zst", "odc-by", "auto", 1)

_TURNS = (shapes.SINGLE, shapes.SINGLE * 2, shapes.SINGLE, ("system", *shapes.SINGLE))
_MIXED = (shapes.SINGLE, shapes.PAIR, shapes.PROBLEM, shapes.SINGLE, ("system", *shapes.SINGLE * 2),
          shapes.PAIR, shapes.SINGLE, shapes.TASK)  # fmt: skip


def _sharegpt(sample: Sample, meta: int) -> dict[str, Any]:
    return {"id": f"conv_{meta >> 28:x}", **shapes.conversations(sample), "source": "forum-export"}


def _helpful(sample: Sample, meta: int) -> dict[str, Any]:
    return shapes.transcripts(sample)


def _problem(sample: Sample, meta: int) -> dict[str, Any]:
    return {**shapes.solved(sample), "level": 1 + meta % 5}


def _mixed(sample: Sample, meta: int) -> dict[str, Any]:
    tag = {"dataset": f"mix-{meta % 5}", "row": meta >> 34}
    if "chosen" in sample.roles:
        return {**shapes.pair(sample), **tag}
    if "answer" in sample.roles:
        return {
            **(shapes.task(sample) if "doc" in sample.roles else shapes.verifiable(sample, "answer")),
            **tag,
        }
    if len(sample.roles) > 2:
        return {**shapes.messages(sample), **tag}
    key = ("completion", "response", "output")[sample.key % 3]
    return {"prompt": sample.texts[0], key: sample.texts[1], **tag}


FEEDS = (
    Feed("public/sharegpt.jsonl", SHAREGPT, 8, _TURNS, _sharegpt,
         ("schema.empty_response", "schema.unrecognised"), templated=True, bom=True),
    Feed("public/helpful.jsonl", HELPFUL, 6, (shapes.PAIR, shapes.PAIR, shapes.LONG_PAIR), _helpful,
         ("schema.unrecognised",), crlf=True, blank_every=300),
    Feed("public/word_problems.jsonl", GSM, 6, (shapes.PROBLEM,), _problem, ("schema.unrecognised",),
         maths=True),
    Feed("public/mixture.jsonl.zst", MIXED, 6, _MIXED, _mixed, ("schema.unrecognised",), maths=True),
)  # fmt: skip
