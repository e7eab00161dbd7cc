"""What a format makes of a whole file, and the claims that hold for every format and all bytes."""

import itertools

from toolkit.ingest.frames import Options
from toolkit.ingest.span import Limits

OPTIONS = Options("f")
LARGE = Limits(1 << 30, 1 << 30)


def in_blocks(data, sizes):
    """``data`` in blocks of these sizes, over and over."""
    blocks, at = [], 0
    for size in itertools.cycle(sizes) if any(sizes) else [len(data)]:
        blocks.append(data[at : at + size])
        at += size
        if at >= len(data):
            return blocks


def spans_of(cut, data, limits=LARGE, sizes=(7,)):
    return list(cut(in_blocks(data, sizes), limits))


def framed(cut, frames, data, limits=LARGE):
    """(spans, frames of each span that is no fault)."""
    spans = spans_of(cut, data, limits)
    return spans, [frames(data[s.start : s.stop], s, OPTIONS) for s in spans if s.fault is None]


def records(cut, frames, data, limits=LARGE):
    """(line, offset, payload) of every record that extraction does not refuse."""
    return [
        (int(found.line[row]), int(found.offset[row]), found.payload(row))
        for found in framed(cut, frames, data, limits)[1]
        for row in range(len(found))
        if row not in found.faults
    ]


def payloads(cut, frames, data, limits=LARGE):
    return [payload for _, _, payload in records(cut, frames, data, limits)]


def faults(cut, frames, data, limits=LARGE):
    """(reason, raw bytes) of all that is set aside, in the order of the file; pieces joined."""
    spans, found = framed(cut, frames, data, limits)
    whole = [(s.start, s.fault, s.detail, data[s.start : s.stop]) for s in spans if s.fault]
    rows = [
        (int(f.offset[row]), reason, detail, f.payload(row))
        for f in found
        for row, (reason, detail) in f.faults.items()
    ]
    joined = []
    for _, reason, detail, raw in sorted(whole + rows):
        if joined and joined[-1][:2] == (reason, detail) and whole:
            joined[-1] = (reason, detail, joined[-1][2] + raw)
        else:
            joined.append((reason, detail, raw))
    return [(reason, raw) for reason, _, raw in joined]


def check_spans(spans, data, limits):
    """Spans cover the file, each knows its line, and none that is a fault is over the size of a shard."""
    ends = [0, *(span.stop for span in spans)]
    assert [span.start for span in spans] == ends[:-1]
    assert ends[-1] == len(data)
    assert all(span.stop > span.start for span in spans)
    assert all(span.stop - span.start <= limits.shard_bytes for span in spans if span.fault)
    assert all(s.line == 1 + data.count(b"\n", 0, s.start) for s in spans if not s.fault)


def check_frames(found, data, span):
    """Rows are in order and whole, and with the overhead they make up the span."""
    offsets, stops = found.offset, found.offset + found.length
    assert int(found.length.sum()) + sum(found.overhead.values()) == span.stop - span.start
    assert min(found.overhead.values(), default=0) >= 0
    assert all(a <= b for a, b in itertools.pairwise([span.start, *stops.tolist()]))
    assert all(
        a <= b for a, b in zip(stops.tolist(), [*offsets.tolist()[1:], span.stop], strict=bool(len(found)))
    )
    assert found.line.tolist() == [
        span.line + data.count(b"\n", span.start, offset) for offset in offsets.tolist()
    ]
    for row in found.faults:
        assert found.payload(row) == data[offsets[row] : stops[row]]


def check_file(cut, frames, data, limits, sizes):
    """All of the above, and that spans do not depend on how the blocks fall."""
    spans = spans_of(cut, data, limits, sizes)
    assert spans == spans_of(cut, data, limits, (0,))
    check_spans(spans, data, limits)
    for span in spans:
        if span.fault is None:
            check_frames(frames(data[span.start : span.stop], span, OPTIONS), data, span)
    return spans
