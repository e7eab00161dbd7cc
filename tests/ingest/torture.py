"""The torture files: what people really send, and what must come of it.

    kept + set aside + blank lines and separators = the file

Each ``Case`` is a small file made here, the payloads that must come out (byte for byte, in order),
how many pieces are set aside and for which reason, and a sentence that says what goes wrong
elsewhere. Payloads are taken from what the file was made of, never from a reader.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Case:
    """One file and what must come of it.

    ``kept``: the payloads, in order. ``aside``: (reason, how many pieces); where ``pieces`` is set,
    the count is the least there may be, since a range of bytes may be set aside in several pieces.
    ``exact``: payloads come out byte for byte; if not, spaces between tokens may differ. ``allowed``:
    records that a limit or a choice of ours sets aside, so that a reader which delivers them is not wrong.
    """

    name: str
    suffix: str
    data: bytes
    kept: tuple[bytes, ...]
    aside: tuple[tuple[str, int], ...]
    why: str
    pieces: bool = False
    exact: bool = True
    allowed: tuple[bytes, ...] = ()


def row(number: int, *more: bytes) -> bytes:
    """A small record, and further members of it as JSON text."""
    return b'{"id":%d,"text":"row %d"%b}' % (number, number, b"".join(b"," + member for member in more))


def rows(start: int, stop: int) -> list[bytes]:
    """Small records numbered from ``start``."""
    return [row(number) for number in range(start, stop)]


def lines(records: list[bytes]) -> bytes:
    """The records, each ended by LF."""
    return b"".join(record + b"\n" for record in records)


def _jsonl(name: str, why: str, good: list[bytes]) -> Case:
    return Case(name, ".jsonl", lines(good), tuple(good), (), why)


def _among(name: str, why: str, reason: str, bad: list[bytes], *, allowed: bool = False) -> Case:
    """Bad lines among good ones: only they are set aside."""
    good, spared = rows(0, 6), tuple(bad) if allowed else ()
    data = lines([*good[:3], *bad, *good[3:]])
    return Case(name, ".jsonl", data, tuple(good), ((reason, len(bad)),), why, allowed=spared)


def _lines() -> list[Case]:
    """Bytes that are no JSON lines, or not at once."""
    good = rows(0, 6)
    many = rows(0, 2000)
    data = lines(many[:1487]) + b'{"id":1487,"text":"caf\xe9"}\n' + lines(many[1488:])
    everything = tuple(many[:1487] + many[1488:])
    bom = b"\xef\xbb\xbf"
    sixteen = lines(good).decode().encode("utf-16")
    return [
        Case("one bad byte in 2,000 rows", ".jsonl", data, everything, (("utf8.invalid", 1),),
             "A reader in text mode stops at the byte and loses what follows."),
        Case("byte-order mark", ".jsonl", bom + lines(good), tuple(good), (),
             "The mark is taken for a part of row 1, which is then no JSON."),
        Case("byte-order mark in the middle", ".jsonl", lines(good[:3]) + bom + lines(good[3:]),
             (*good[:3], *good[4:]), (("json.invalid", 1),),
             "Files put together with cat: a mark is one only at the start.", allowed=(good[3],)),
        _among("NUL bytes", "A hole that a crash left in a file.", "json.nul_byte",
               [b"\0" * 40, b'{"id":9,"text":"a\0b"}']),
        Case("CRLF", ".jsonl", b"".join(r + b"\r\n" for r in good), tuple(good), (),
             "The CR is the separator's, and not the payload's."),
        _jsonl("lone CR as white space", "CR is white space to JSON: it neither ends a line nor may vanish.",
               [b'{"id":1,\r"text":"a"}', b'{"id":2,"text":"b"\r}']),
        Case("no last line end", ".jsonl", lines(good)[:-1], tuple(good), (), "The last row counts."),
        Case("blank lines", ".jsonl", b"\n  \n" + b"\n \t\n\r\n".join(good) + b"\n\n", tuple(good), (),
             "Blank lines are overhead, neither rows nor rows of NULL."),
        Case("empty file", ".jsonl", b"", (), (), "Nothing is no error."),
        Case("only line ends", ".jsonl", b"\n" * 50, (), (), "Fifty blank lines are no row."),
        Case("truncated last line", ".jsonl", lines(good) + b'{"id":6,"text":"row', tuple(good),
             (("json.truncated", 1),), "A writer was killed: every whole line is good."),
        Case("truncated line in the middle", ".jsonl",
             lines(good[:3]) + b'{"id":9,"text":"ro\n' + lines(good[3:]),
             tuple(good), (("json.truncated", 1),),
             "A writer was killed and started again: the next line must not be taken for the rest."),
        _among("trailing garbage", "Half a line follows a whole value.", "json.trailing_garbage",
               [row(9) + b"]", row(10) + b"xyz"]),
        _among("two objects on one line", "A lost line end; which of the two was meant?",
               "json.trailing_garbage", [row(9) + row(10)]),
        _among("not JSON", "Comments, Python's repr, a trailing comma.", "json.invalid",
               [b"# a comment", b"{'id':9}", b'{"id":9,}']),
        Case("UTF-16", ".jsonl", sixteen, (), (("encoding.unsupported", 1),),
             "Two bytes a character: set aside whole under its own reason, not as thousands of bad lines.",
             pieces=True, allowed=tuple(good)),
        _jsonl("line separators in a text", "U+2028, U+2029, U+0085, VT, FF end a line for str.splitlines.",
               ['{"id":1,"text":"a\u2028b\u2029c\u0085d"}'.encode(), b'{"id":2,"text":"a\\u000bb\\u000cc"}']),
        _jsonl("a 3 MB line among small ones", "Larger than a reader's block.",
               [*good[:3], b'{"id":9,"text":"%b"}' % (b"x" * 3_000_000), *good[3:]]),
    ]  # fmt: skip


def _values() -> list[Case]:
    """JSON that is right, or nearly, and that a typed reader bends."""
    nest = lambda levels: b'{"id":9,"text":"x","a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"  # noqa: E731
    return [
        _among("a line that is a list", "A worker calls .get on it and dies.", "json.not_object",
               [b"[1,2]", b'[{"id":9}]']),
        _among("a line that is null", "null becomes a row of NULLs.", "json.not_object", [b"null"]),
        _among("a line that is a scalar", "A number, a text, a truth value.", "json.not_object",
               [b"17", b'"text"', b"true"]),
        _among("an empty object", "A row without a field has nothing to teach.", "json.empty_object",
               [b"{}"], allowed=True),
        _jsonl("an empty key", "A legal name.", [row(1, b'"":1'), row(2, b'"":2')]),
        _jsonl("a key first seen late", "Readers infer the columns from the first rows and drop the rest.",
               [*rows(0, 30_000), row(30_000, b'"late":"seen"'), *rows(30_001, 30_010)]),
        _jsonl("a type that changes", "An id is a number, then a text, then an object.",
               [row(0, b'"v":1'), row(1, b'"v":"one"'), row(2, b'"v":{"one":1}'), row(3, b'"v":[1]')]),
        _jsonl("a type that changes late", "The same after 30,000 rows.",
               [*(row(n, b'"v":%d' % n) for n in range(30_000)), row(30_000, b'"v":"one"')]),
        _jsonl("a 30-digit integer", "One such value and a whole column is turned into floats.",
               [row(0, b'"n":1'), row(1, b'"n":123456789012345678901234567890'), row(2, b'"n":3')]),
        _jsonl("integers beyond 2^53", "Exact as integers, not as floats.",
               [row(0, b'"n":9007199254740993'), row(1, b'"n":18446744073709551615'),
                row(2, b'"n":-9223372036854775808'), row(3)]),
        _jsonl("1.0 and 1", "The second is not the first.", [row(0, b'"n":1.0'), row(1, b'"n":1')]),
        _jsonl("minus nought", "-0.0 is no 0.0.", [row(0, b'"n":-0.0'), row(1, b'"n":-0')]),
        _jsonl("more digits than a float has", "0.1 is not all of it.",
               [row(0, b'"n":0.10000000000000000555111512312578270'), row(1, b'"n":1e-400')]),
        _among("1e400", "A number beyond every float becomes infinite.", "json.non_finite",
               [row(9, b'"n":1e400')]),
        _among("NaN", "Python writes NaN and Infinity; JSON has neither.", "json.non_finite",
               [row(9, b'"n":NaN'), row(10, b'"n":-Infinity')]),
        _jsonl("duplicate keys", "Most readers keep the last value and forget the first.",
               [row(0), b'{"id":1,"text":"a","text":"b"}', row(2)]),
        _jsonl("an escaped lone surrogate", "Legal in JSON, replaced or refused by readers of texts.",
               [row(0), b'{"id":1,"text":"\\ud800 alone"}', row(2)]),
        _jsonl("a surrogate pair", "One character as two escapes, and the character itself.",
               [b'{"id":0,"text":"\\ud83d\\ude00"}', '{"id":1,"text":"\U0001f600"}'.encode()]),
        _jsonl("an escaped NUL", "Legal in a text, the end of it in C.",
               [b'{"id":0,"text":"a\\u0000b"}', row(1)]),
        _jsonl("64 levels", "As deep as is allowed.", [row(0), nest(63), row(2)]),
        _among("65 levels", "One level too deep for us.", "json.too_deep", [nest(65)], allowed=True),
        _among("1,000 levels", "A recursive parser overflows.", "json.too_deep", [nest(1000)], allowed=True),
        _jsonl("dates as text", "Readers turn them into timestamps, and texts into numbers of milliseconds.",
               [row(n, b'"date":"2024-01-0%d"' % (n + 1), b'"created_at":"2024-01-0%dT00:00:00Z"' % (n + 1),
                    b'"day":"0%d/02/2024"' % (n + 1)) for n in range(4)]),
        _jsonl("numbers as text", "007 is a name.", [row(0, b'"code":"007"'), row(1, b'"code":"1e5"')]),
        _jsonl("texts that mean nothing", "NA, null and nan are words.",
               [row(0, b'"w":"NA"'), row(1, b'"w":"null"'), row(2, b'"w":"nan"'), row(3, b'"w":""')]),
        _jsonl("null, absent and empty", "Three different things.",
               [row(0, b'"v":null'), row(1), row(2, b'"v":""'), row(3, b'"v":[]'), row(4, b'"v":{}')]),
        _jsonl("true and 1", "A truth value is no number.", [row(0, b'"v":true'), row(1, b'"v":1')]),
        _jsonl("a schema a row", "Nothing in common but an id.",
               [b'{"id":0,"prompt":"p","chosen":"c","rejected":"r"}',
                b'{"id":1,"messages":[{"role":"user","content":"hi"}]}',
                b'{"id":2,"messages":{"role":"user"}}', b'{"id":"three","conversations":[["a","b"]]}']),
        _jsonl("keys that differ by case", "Id and ID are two keys.",
               [b'{"id":0,"text":"a","Text":"A","TEXT":"AA"}',
                b'{"id":1,"text":"b","Text":"B","TEXT":"BB"}']),
        _jsonl("1,000 different keys", "A key a row.",
               [row(n, b'"k%d":%d' % (n, n)) for n in range(1000)]),
    ]  # fmt: skip


def _packed() -> list[Case]:
    """Compression: several members, the wrong name, damage."""
    good = rows(0, 2000)
    data, half = lines(good), len(lines(good[:1000]))
    gz = lambda raw: gzip.compress(raw, mtime=0)  # noqa: E731
    zst = lambda raw: pa.Codec("zstd").compress(raw, asbytes=True)  # noqa: E731
    cut = gz(data)[:-2000]
    bad = _flipped(data)
    wrong = _wrong_checksum(lines(good[1000:]))
    everything = tuple(good)
    damage = (("compression.damaged", 1),)
    inside = (("json.truncated", 1), *damage)  # the line that the damage cut, and the rest of the file
    return [
        Case("gzip of two members", ".jsonl.gz", gz(data[:half]) + gz(data[half:]), everything, (),
             "What cat a.gz b.gz gives."),
        Case("zstd of two frames", ".jsonl.zst", zst(data[:half]) + zst(data[half:]), everything, (),
             "A reader of one frame loses the second."),
        Case("bzip2 of two streams", ".jsonl.bz2", bz2.compress(data[:half]) + bz2.compress(data[half:]),
             everything, (), "As pbzip2 writes."),
        Case("xz of two streams", ".jsonl.xz", lzma.compress(data[:half]) + lzma.compress(data[half:]),
             everything, (), "As cat gives."),
        Case("gzip under a plain name", ".jsonl", gz(data), everything, (), "The first bytes tell."),
        Case("plain under a gzip name", ".jsonl.gz", data, everything, (), "The first bytes tell."),
        Case("gzip truncated", ".jsonl.gz", cut, _whole_lines(cut), inside,
             "An interrupted copy: what came before is good.", pieces=True),
        Case("gzip with a flipped byte", ".jsonl.gz", bad, _whole_lines(bad), inside,
             "What came before the damage is good, and the rest is set aside.", pieces=True),
        Case("gzip with a wrong checksum", ".jsonl.gz", gz(data[:half]) + wrong, tuple(good[:1000]),
             (("compression.altered", 1), ("compression.damaged", 1)),
             "It unpacks, to something else than was packed: only the checksum at its end tells.",
             pieces=True, allowed=tuple(good[1000:])),
        Case("gzip with garbage after its end", ".jsonl.gz", gz(data) + b"\x17garbage\xff" * 9,
             everything, damage, "All of it is good; the garbage is set aside, not dropped.", pieces=True),
        Case("gzip padded with NULs", ".jsonl.gz", gz(data) + bytes(512), everything, (),
             "A tape or a tar file pads."),
        Case("zstd truncated", ".jsonl.zst", zst(data[:half]) + zst(data[half:])[:-400], tuple(good[:1000]),
             damage, "At least what the first frame holds is good.", pieces=True, allowed=tuple(good[1000:])),
    ]  # fmt: skip


def _formats() -> list[Case]:
    """Arrays, tables, columns."""
    good = rows(0, 6)
    pretty = json.dumps([json.loads(r) for r in good], indent=2).encode()
    head = b"id,text,note\n"
    return [
        Case("a JSON array", ".json", b"[\n" + b",\n".join(good) + b"\n]\n", tuple(good), (),
             "One value in the file, many records."),
        Case("a JSON array, pretty-printed", ".json", pretty, tuple(good), (),
             "A record is many lines.", exact=False),
        Case("a JSON array, truncated", ".json", b"[\n" + b",\n".join(good)[:-7], tuple(good[:5]),
             (("json.truncated", 1),), "What came before is good.", pieces=True),
        Case("CSV with line breaks in quotes", ".csv", head + b'1,"a\nb\r\nc",x\n2,"say ""hi"", twice",y\n',
             (text("1", "a\nb\r\nc", "x"), text("2", 'say "hi", twice', "y")), (),
             "A row is many lines, and its line breaks are its own."),
        Case("CSV with rows of a wrong width", ".csv", head + b"1,a,x\n2,b,y,extra\n3,c\n4,d,z\n",
             (text("1", "a", "x"), text("4", "d", "z")), (("csv.wrong_width", 2),),
             "A cell too many and one too few: which is which?"),
        Case("CSV with values that look like others", ".csv",
             head + b"007,NA,\n1e5,null,2024-01-01\n 8,True,1.0\n"
             b"123456789012345678901234567890,nan,-0\n",
             (text("007", "NA", ""), text("1e5", "null", "2024-01-01"), text(" 8", "True", "1.0"),
              text("123456789012345678901234567890", "nan", "-0")), (),
             "A cell is the text that it is."),
        Case("CSV with a bad byte", ".csv", head + b"1,a,x\n2,caf\xe9,y\n3,c,z\n",
             (text("1", "a", "x"), text("3", "c", "z")), (("utf8.invalid", 1),), "One row, not the file."),
        Case("TSV", ".tsv", b"id\ttext\tnote\n1\ta, b\t\n2\tc\t0012\n",
             (text("1", "a, b", ""), text("2", "c", "0012")), (), "A comma is no separator here."),
        Case("Parquet with NaN and 64-bit integers", ".parquet", _parquet(),
             (b'{"id":9007199254740993,"score":0.5,"text":"a"}', b'{"id":-1,"score":null,"text":"c"}'),
             (("json.non_finite", 1),), "NaN is no JSON; an integer beyond 2^53 is no float.",
             allowed=(b'{"id":9223372036854775807,"score":NaN,"text":"b"}',)),
    ]  # fmt: skip


def text(*cells: str) -> bytes:
    """The payload of a row of a table: every cell is a text."""
    named = dict(zip(("id", "text", "note"), cells, strict=True))
    return json.dumps(named, separators=(",", ":"), ensure_ascii=False).encode()


def _flipped(data: bytes) -> bytes:
    """A gzip file with one wrong byte near its middle, which stops every reader before another line ends."""
    packed = bytearray(gzip.compress(data, mtime=0))
    for place in range(len(packed) // 2, len(packed)):
        packed[place] ^= 0xFF
        found, whole = _salvaged(packed)
        if not whole and data.startswith(found[: found.rfind(b"\n") + 1]):
            return bytes(packed)
        packed[place] ^= 0xFF
    raise AssertionError("no such byte")


def _wrong_checksum(data: bytes) -> bytes:
    """A gzip file of stored blocks in which a text is another than the one that was packed."""
    packed = gzip.compress(data, compresslevel=0, mtime=0)
    return packed.replace(b"row 1500", b"row 15OO", 1)


def _whole_lines(packed: bytes) -> tuple[bytes, ...]:
    """The lines that end before the damage, unpacked one byte at a time."""
    return tuple(_salvaged(packed)[0].split(b"\n")[:-1])


def _salvaged(packed: bytes) -> tuple[bytes, bool]:
    found, unpack = bytearray(), zlib.decompressobj(31)
    for byte in packed:
        try:
            found += unpack.decompress(bytes([byte]))
        except zlib.error:
            return bytes(found), False
    return bytes(found), unpack.eof


def _parquet() -> bytes:
    table = pa.table(
        {
            "id": pa.array([9007199254740993, 9223372036854775807, -1], pa.int64()),
            "score": pa.array([0.5, float("nan"), None], pa.float64()),
            "text": pa.array(["a", "b", "c"], pa.string()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


CASES: list[Case] = [*_lines(), *_values(), *_packed(), *_formats()]
