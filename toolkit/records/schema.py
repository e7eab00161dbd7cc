"""The canonical record: one schema for three regimes, nulls where a regime does not use a field.

    regime       messages   prompt   chosen  rejected   answer   verifier
    sft             x                                     (x)
    preference                 x        x        x
    rl                         x                           x         x

A conversation is a list of messages; ``prompt`` is the conversation before the
answer, ``chosen`` and ``rejected`` are the messages that continue it. Text is UTF-8
(Arrow ``string``); ``tool_calls`` is the JSON text of an assistant's calls, or null.
The columns after ``token_estimate`` are provenance, carried unchanged from bronze.
"""

from __future__ import annotations

import pyarrow as pa

REGIMES = ("sft", "preference", "rl")
ROLES = ("system", "user", "assistant", "tool")
SOURCE_TYPES = ("human_annotation", "synthetic", "production_log", "public_dataset", "web_scrape")

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.string())])
MESSAGES = pa.list_(MESSAGE)
VERIFIER = pa.struct([("kind", pa.string()), ("spec", pa.string())])
QUALITY = pa.struct(
    [
        ("chars", pa.int32()),
        ("words", pa.int32()),
        ("alpha_share", pa.float32()),
    ]
)
ORIGIN = pa.struct(
    [("path", pa.string()), ("line", pa.int64()), ("offset", pa.int64()), ("length", pa.int64())]
)

PROVENANCE = [
    ("source_id", pa.string()),
    ("source_type", pa.string()),
    ("source_rank", pa.int32()),
    ("origin", ORIGIN),
    ("license", pa.string()),
    ("consent", pa.bool_()),
    ("pii", pa.string()),
    ("generator_model", pa.string()),
    ("logical_date", pa.string()),
]

CANONICAL = pa.schema(
    [
        ("id", pa.string()),
        ("regime", pa.string()),
        ("messages", MESSAGES),
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("answer", pa.string()),
        ("verifier", VERIFIER),
        ("lang", pa.string()),
        ("difficulty", pa.float32()),
        ("quality", QUALITY),
        ("token_estimate", pa.int32()),
        *PROVENANCE,
    ]
)
