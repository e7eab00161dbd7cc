"""Synthetic generations: a generator model on every row, and its licence trap.

What is messy here: the card of the set says MIT, yet part of the rows come from models whose
terms forbid training on what they write. The licence of the file does not show it; only the
row's ``generator_model`` does. The names are inventions.
"""

from __future__ import annotations

from typing import Any

from toolkit.archetypes import shapes
from toolkit.archetypes.feed import Feed, Source
from toolkit.archetypes.sample import Sample

ALLOWED = ("openweights-32b", "commons-7b-instruct", "openweights-70b")
DENIED = ("walled-garden-xl", "no-compete-2-turbo")

DISTILLED = Source("synthetic-distilled", "synthetic", "synthetic/distilled.jsonl.zst", "mit", "sft", 3)
SELF = Source("synthetic-self-instruct", "synthetic", "synthetic/self_instruct.jsonl", "apache-2.0", "sft", 3)
VERIFIABLE = Source("synthetic-verifiable", "synthetic", "synthetic/verifiable.jsonl", "mit", "rl", 3)
JUDGED = Source("synthetic-judged", "synthetic", "synthetic/judged.jsonl.gz", "mit", "preference", 3)

_WITH_INPUT = (shapes.SINGLE, shapes.SINGLE, ("user", "input", "assistant"), shapes.SINGLE)
_CODES = ("schema.unrecognised", "schema.empty_response")


def _origin(meta: int) -> dict[str, Any]:
    return {
        "generator_model": ALLOWED[meta % len(ALLOWED)],
        "temperature": (meta >> 8) % 11 / 10,
        "gen_id": f"g{meta >> 20:x}",
    }


def _distilled(sample: Sample, meta: int) -> dict[str, Any]:
    return {**shapes.instruction(sample), **_origin(meta), "license": "mit"}


def _self_instruct(sample: Sample, meta: int) -> dict[str, Any]:
    return {"id": f"seed_task_{meta >> 30}", **shapes.instances(sample), **_origin(meta)}


def _verifiable(sample: Sample, meta: int) -> dict[str, Any]:
    key = "ground_truth" if meta & 64 else "answer"
    return {**shapes.verifiable(sample, key), **_origin(meta), "pass_rate": (meta >> 12) % 17 / 16}


def _judged(sample: Sample, meta: int) -> dict[str, Any]:
    scores = {"chosen": 6 + meta % 5, "rejected": 1 + (meta >> 8) % 6}
    return {**shapes.pair(sample), **_origin(meta), "judge": "rubric-judge-v4", "scores": scores}


FEEDS = (
    Feed("synthetic/distilled.jsonl.zst", DISTILLED, 8, _WITH_INPUT, _distilled, _CODES, generated=True),
    Feed("synthetic/self_instruct.jsonl", SELF, 4, _WITH_INPUT, _self_instruct, _CODES,
         generated=True, last_newline=False),
    Feed("synthetic/verifiable.jsonl", VERIFIABLE, 7, (shapes.PROBLEM,), _verifiable,
         ("schema.unrecognised",), maths=True, generated=True),
    Feed("synthetic/judged.jsonl.gz", JUDGED, 3, (shapes.PAIR,), _judged, ("schema.unrecognised",),
         generated=True),
)  # fmt: skip
