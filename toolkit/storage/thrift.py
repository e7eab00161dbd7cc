"""Thrift's compact protocol, written: what Parquet's page headers and footer are made of.

A value is (its type's number, its bytes), as ``struct`` needs both; integers are zigzag varints, and a field
says how far its number is from the one before. Source: thrift-compact-protocol.md of Apache Thrift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = tuple[int, bytes]


def i32(number: int) -> Value:
    """An integer of 32 bits, or an enumeration's; ValueError for a larger one."""
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"{number} is no integer of 32 bits")
    return 5, varint(number << 1 ^ number >> 31)


def i64(number: int) -> Value:
    """An integer of 64 bits."""
    return 6, varint(number << 1 ^ number >> 63)


def binary(data: bytes) -> Value:
    """Bytes, or text in UTF-8."""
    return 8, varint(len(data)) + data


def many(values: Sequence[Value]) -> Value:
    """A list of one type, with at least one value."""
    kind, size = values[0][0], len(values)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)
    return 9, head + b"".join(data for _, data in values)


def struct(fields: Mapping[int, Value]) -> Value:
    """Fields by number, in rising order and at most 15 apart; a union is a struct of one."""
    out, before = [], 0
    for number, (kind, data) in fields.items():
        out.append(bytes([number - before << 4 | kind]) + data)
        before = number
    return 12, b"".join(out) + b"\0"


def varint(number: int) -> bytes:
    """A number from 0 in sevens of bits, the lowest first; Parquet's own runs begin with one too."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
