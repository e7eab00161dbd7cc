"""What a record is: the canonical schema, the shapes it arrives in, and the texts it is judged by."""

from toolkit.records.canonical import Draft, SchemaError, canonical, decode_payload
from toolkit.records.evidence import EVIDENCE, NOTED, evidence
from toolkit.records.fields import searched_fields, searched_texts, texts_in
from toolkit.records.jcs import NotCanonical, canonical_bytes, canonical_id, canonical_json
from toolkit.records.rendering import CONVERSATIONS, beside_turns, compared_text, every_text
from toolkit.records.schema import CANONICAL, MESSAGE, ORIGIN, QUALITY, REGIMES, SOURCE_TYPES, VERIFIER
from toolkit.records.shapes import MAP_FIELDS, recognise

__all__ = [
    "CANONICAL",
    "CONVERSATIONS",
    "EVIDENCE",
    "MAP_FIELDS",
    "MESSAGE",
    "NOTED",
    "ORIGIN",
    "QUALITY",
    "REGIMES",
    "SOURCE_TYPES",
    "VERIFIER",
    "Draft",
    "NotCanonical",
    "SchemaError",
    "beside_turns",
    "canonical",
    "canonical_bytes",
    "canonical_id",
    "canonical_json",
    "compared_text",
    "decode_payload",
    "every_text",
    "evidence",
    "recognise",
    "searched_fields",
    "searched_texts",
    "texts_in",
]
