import io
import json
import random
import zlib

import pytest

from ingest.formats.framed import check_frames
from toolkit.ingest.formats import pdf
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Span

pypdf = pytest.importorskip("pypdf")


def make(texts, packed=False):
    """A PDF by hand, one page a text."""
    count = len(texts)
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids.encode(), count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for page, text in enumerate(texts):
        stream = b"BT /F1 12 Tf 72 700 Td (%b) Tj ET" % text if text else b""
        stream = zlib.compress(stream) if packed else stream
        named = b" /Filter /FlateDecode" if packed else b""
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * page),
            b"<< /Length %d%b >>\nstream\n%b\nendstream" % (len(stream), named, stream),
        ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    xref = b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + xref + trailer


def frames(data):
    return pdf.frames(data, Span(0, len(data), 1), Options("d/a.pdf"))


def encrypted():
    writer, out = pypdf.PdfWriter(io.BytesIO(make([b"secret"]))), io.BytesIO()
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("packed", [False, True])
def test_text_is_a_preview_with_a_form_feed_between_pages(packed):
    assert json.loads(frames(make([b"Hello", b"world"], packed)).payload(0)) == {
        "path": "d/a.pdf", "pages": 2, "text": "Hello\fworld", "preview": True}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make([b"Hello"])[:150], "pdf.damaged"),
        (b"\xff\0" * 300, "pdf.damaged"),
        (b"%PDF-1.4\n", "pdf.damaged"),
        (b"not a PDF", "pdf.damaged"),
        (make([b"", b""]), "pdf.no_text"),
        (encrypted(), "pdf.encrypted"),
    ],
    ids=["cut off", "random", "only a head", "text", "empty pages", "encrypted"],
)
def test_what_is_refused_is_kept_whole(data, reason):
    found = frames(data)
    assert (found.faults[0][0], found.payload(0)) == (reason, data)
    assert len(found.faults[0][1]) <= 160


def test_too_many_pages_are_a_fault(monkeypatch):
    monkeypatch.setattr(pdf, "MAX_PAGES", 1)
    assert frames(make([b"a", b"b"])).faults[0] == ("pdf.damaged", "ValueError: more than 1 pages")


def test_no_damage_raises_warns_or_prints(capfd, caplog):
    draw, good = random.Random(5), make([b"Hello", b"world"], packed=True)
    for _ in range(150):
        data = bytearray(good[: draw.randrange(1, len(good) + 1)])
        for _ in range(draw.randrange(8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        check_frames(frames(bytes(data)), bytes(data), Span(0, len(data), 1))
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])
