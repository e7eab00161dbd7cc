"""Production logs: real conversations with tool calls, thumbs, and personal data in the text.

What is messy here: users type their own e-mail and phone; feedback is rare and biased; the same
day was delivered twice under two names; an old widget logs a shape of its own; consent is not
given for all of it.
"""

from __future__ import annotations

from typing import Any

from toolkit.archetypes import shapes
from toolkit.archetypes.feed import Feed, Source
from toolkit.archetypes.sample import Sample

CHATS = Source("production-chats", "production_log", "production/chats-*.jsonl", "proprietary", "sft", 2,
               pii="known")  # fmt: skip
WIDGET = Source("production-widget", "production_log", "production/widget.jsonl.gz", "proprietary", "sft", 2,
                map={"prompt": "request.text", "response": "reply.text"}, pii="known")  # fmt: skip

_PATTERNS = (
    shapes.SINGLE,
    shapes.SINGLE,
    shapes.TOOLS,
    shapes.SINGLE,
    ("system", *shapes.SINGLE),
    shapes.SINGLE,
    shapes.SINGLE * 2,
    ("system", *shapes.TOOLS),
)
_MESSAGE_CODES = ("schema.bad_role", "schema.wrong_type", "schema.empty_response", "schema.unrecognised")
_MAPPED_CODES = (
    "schema.missing_prompt",
    "schema.missing_response",
    "schema.wrong_type",
    "schema.empty_response",
)
_FIRST = ("maria", "john", "wei", "fatima", "olga", "ravi", "anna", "kofi", "lucas", "yuki")
_LAST = ("silva", "smith", "chen", "haddad", "petrova", "patel", "berg", "mensah", "moreau", "sato")
_CONTACTS = (
    "My e-mail is {mail}.",
    "Call me on {phone} please.",
    "Write to {mail} or {phone}.",
    "I log in from {ip} as {mail}.",
)


def contact(key: int) -> str:
    """Return a sentence with invented personal data (reserved domains, numbers and addresses)."""
    first, last = _FIRST[key % 10], _LAST[(key >> 8) % 10]
    return _CONTACTS[(key >> 16) % 4].format(
        mail=f"{first}.{last}{(key >> 20) % 1000}@example.{('com', 'org', 'net')[(key >> 30) % 3]}",
        phone=f"+1 {200 + (key >> 32) % 700} 555 01{(key >> 42) % 100:02d}",
        ip=f"203.0.113.{(key >> 50) % 256}",
    )


def personal(sample: Sample) -> Sample:
    """Add personal data to the first user turn of one example in six."""
    if sample.key >> 10 & 0xFF >= 43:
        return sample
    at = sample.roles.index("user")
    text = f"{sample.texts[at]} {contact(sample.key)}"
    return sample._replace(texts=(*sample.texts[:at], text, *sample.texts[at + 1 :]))


def _chat(sample: Sample, meta: int) -> dict[str, Any]:
    return {
        "session": f"{meta >> 16:012x}",
        "ts": 1772323200 + (meta >> 20) % 86400,
        "user": {"id": meta % 10**6, "ip": f"198.51.100.{meta % 256}", "consent": bool(meta & 7)},
        **shapes.messages(sample),
        "thumbs": (None, None, None, None, "up", "up", "down", None)[(meta >> 8) % 8],
        "latency_ms": 200 + (meta >> 40) % 9000,
    }


def _widget(sample: Sample, meta: int) -> dict[str, Any]:
    return {
        "v": 3,
        "request": {"text": sample.texts[0], "lang": None, "uid": f"u{meta % 10**7}"},
        "reply": {"text": sample.texts[1], "model": f"bot-{meta % 4}"},
        "rating": meta % 6,
    }


FEEDS = (
    Feed("production/chats-2026-03-01.jsonl", CHATS, 13, _PATTERNS, _chat, _MESSAGE_CODES,
         prepare=personal, templated=True, blank_every=500),
    Feed("production/chats-2026-03-02.jsonl", CHATS, 2, _PATTERNS, _chat, planted=False,
         prepare=personal, twin="production/chats-2026-03-02-retry.jsonl"),
    Feed("production/widget.jsonl.gz", WIDGET, 4, (shapes.SINGLE,), _widget, _MAPPED_CODES,
         prepare=personal, crlf=True),
)  # fmt: skip
