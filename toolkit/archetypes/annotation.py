"""Human annotation: exports of a labelling tool, by spec version, with agreement scores.

What is messy here: the spec changed between exports and with it the metadata; annotators agree
to a degree that is written down; one export renamed its prompt field half way through.
"""

from __future__ import annotations

from typing import Any

from toolkit.archetypes import shapes
from toolkit.archetypes.feed import Feed, Source
from toolkit.archetypes.sample import Sample

CHATS = Source("annotation-chats", "human_annotation", "annotation/sft-*", "proprietary", "sft", 0)
PAIRS = Source(
    "annotation-pairs", "human_annotation", "annotation/pairs.jsonl", "proprietary", "preference", 0
)
TASKS = Source("annotation-tasks", "human_annotation", "annotation/tasks.jsonl", "proprietary", "sft", 0,
               map={"prompt": "instruction", "response": "gold.text"})  # fmt: skip

_CHAT_PATTERNS = (
    shapes.SINGLE,
    shapes.SINGLE,
    ("system", *shapes.SINGLE),
    shapes.SINGLE * 2,
    shapes.SINGLE,
    shapes.TOOLS,
    shapes.SINGLE,
    ("system", *shapes.SINGLE * 2),
)
_MESSAGE_CODES = ("schema.bad_role", "schema.wrong_type", "schema.empty_response", "schema.unrecognised")


def _first_spec(sample: Sample, meta: int) -> dict[str, Any]:
    return {
        "spec_version": "1.3" if meta & 1 else "1.2",
        "item_id": f"a-{meta >> 24:010x}",
        **shapes.messages(sample),
        "annotator_ids": [f"ann_{meta % 47:02d}", f"ann_{(meta >> 8) % 47:02d}"],
        "agreement": 0.5 + (meta >> 16) % 51 / 100,
    }


def _second_spec(sample: Sample, meta: int) -> dict[str, Any]:
    return {
        "spec_version": "2.0",
        "id": meta >> 30,
        "labels": {"agreement": {"kappa": (meta >> 16) % 101 / 100, "raters": 2 + (meta >> 5) % 3}},
        **shapes.messages(sample),
        "annotators": [{"id": f"ann_{meta % 47:02d}", "minutes": (meta >> 8) % 40}],
    }


def _pair(sample: Sample, meta: int) -> dict[str, Any]:
    return {
        **shapes.pair(sample),
        "votes": {"chosen": 2 + meta % 4, "rejected": meta % 2},
        "agreement": 0.5 + (meta >> 16) % 51 / 100,
        "spec_version": "2.0",
    }


def _task(sample: Sample, meta: int) -> dict[str, Any]:
    return {
        "instruction": sample.texts[0],
        "gold": {"text": sample.texts[1], "by": f"ann_{meta % 47:02d}"},
        "agreement": 0.5 + (meta >> 16) % 51 / 100,
    }


FEEDS = (
    Feed("annotation/sft-v1.jsonl", CHATS, 7, _CHAT_PATTERNS, _first_spec, _MESSAGE_CODES, blank_every=350),
    Feed("annotation/sft-v2.jsonl.zst", CHATS, 7, _CHAT_PATTERNS, _second_spec, _MESSAGE_CODES),
    Feed("annotation/pairs.jsonl", PAIRS, 7, (shapes.PAIR,), _pair, ("schema.unrecognised",)),
    Feed("annotation/tasks.jsonl", TASKS, 2, (shapes.SINGLE,), _task, planted=False, renamed="query"),
)
