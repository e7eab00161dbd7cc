"""Every reason for which ingest sets something aside: codes that never change, a sentence each.

The part before the dot says what is at fault: the bytes, the JSON, the format, the file, its
compression, or what the spec demands of a record.
"""

from __future__ import annotations

REASONS = {
    "utf8.invalid": "A byte sequence that is not UTF-8.",
    "encoding.unsupported": "A whole file in an encoding that is not UTF-8, which the detail names.",
    "json.nul_byte": "A NUL byte.",
    "json.too_long": "A record of more than max_line_bytes; one larger than a shard comes in pieces.",
    "json.too_deep": "More than 64 levels of nesting.",
    "json.truncated": "The record ends in the middle of a value.",
    "json.trailing_garbage": "A whole value, and then more.",
    "json.non_finite": "NaN, Infinity, or a number beyond every float.",
    "json.invalid": "Not JSON.",
    "json.not_object": "JSON, but not an object.",
    "json.empty_object": "An object without a field.",
    "json.array_broken": "The rest of a file whose array goes wrong between two elements.",
    "json.values_broken": "The rest of a file in which a byte between two values begins none.",
    "text.nul_byte": "A document, page or source file with a NUL byte.",
    "text.too_long": "A document of more than max_line_bytes, in pieces.",
    "csv.no_header": "A whole file: no row ends in its first 64 KiB.",
    "csv.bad_header": "A whole file: its header is not UTF-8, is not well-formed, or names a column twice.",
    "csv.wrong_width": "A row with more or fewer fields than the header.",
    "csv.stray_quote": "A row with text after a closing quote.",
    "csv.unclosed_quote": "A quote that is not closed within max_line_bytes, or before the file ends.",
    "parquet.damaged": "A whole file: no Parquet, damaged, or with a column that JSON cannot spell.",
    "html.too_deep": "A page with more than 10,000 elements open at once, or attributes in one of them.",
    "html.no_text": "A page without visible text.",
    "pdf.damaged": "A PDF that cannot be read, or with more pages or text than the limits.",
    "pdf.encrypted": "A PDF with a password.",
    "pdf.no_text": "A PDF without text, such as a scan.",
    "file.too_long": "A page, source file, PDF or text read as one record, of more than max_line_bytes.",
    "file.changed": "Bytes that are not those the file had when it was first read in this run.",
    "compression.damaged": "The rest of a compressed file, as it lies, from where it gives nothing more.",
    "compression.altered": "What was decompressed of a member whose checksum does not match.",
    "schema.missing_field": "A field that the spec requires is absent or null.",
    "schema.wrong_type": "A field that the spec requires is of another type.",
}
"""Code -> what it means. ``tests/ingest/test_reasons.py`` produces each of them."""
