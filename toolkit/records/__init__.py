"""What a record is: the canonical schema, the shapes it arrives in, and the texts it is judged by."""

from toolkit.records.canonical import Draft, SchemaError, canonical, decode_payload
from toolkit.records.evidence import EVIDENCE, NOTED, evidence
from toolkit.records.fields import searched_fields, texts_in
from toolkit.records.jcs import NotCanonical, canonical_bytes, canonical_id, canonical_json
from toolkit.records.rendering import compared_text, every_text
from toolkit.records.schema import CANONICAL, QUALITY, REGIMES, SOURCE_TYPES
from toolkit.records.shapes import MAP_FIELDS, recognise

__all__ = [
    "CANONICAL",
    "EVIDENCE",
    "MAP_FIELDS",
    "NOTED",
    "QUALITY",
    "REGIMES",
    "SOURCE_TYPES",
    "Draft",
    "NotCanonical",
    "SchemaError",
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
    "texts_in",
]
