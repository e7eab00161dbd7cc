"""Bronze lines against the reference, byte for byte, and against a parser."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels import reference_lines
from toolkit.kernels.json_lines import bronze_lines, digests, flatten

FACTS = [b'"source_id":"s","license":null', '"source_id":"s","license":"\u00e9"'.encode(), b'"x":1']
NUMBERS = st.sampled_from(
    [0, 1, 9, 10, 99, 100, 2**31, 2**32, 10**17, 10**18 - 1, 10**18, 2**63 - 1]
) | st.integers(0, 2**63 - 1)
PAYLOADS = st.sampled_from([b'{"a":1}', b'{"a":"\xc3\xa9\\n"}', b'{"a":"%b"}' % (b"x" * 300)])
ROWS = st.lists(st.tuples(PAYLOADS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 2)), max_size=6)


def placed(payloads):
    stop = np.cumsum([len(payload) + 1 for payload in payloads], dtype=np.int64)
    start = stop - np.array([len(payload) + 1 for payload in payloads], np.int64)
    return np.frombuffer(b"\n".join([*payloads, b""]), np.uint8), start, stop - 1


def written(rows, name, kind=np.int64):
    data, start, stop = placed([row[0] for row in rows])
    columns = np.array([row[1:4] for row in rows], np.int64).reshape(-1, 3).T.copy()
    which = np.array([row[4] for row in rows], kind)
    return bronze_lines(data, start, stop, digests(data, start, stop), *columns, name, FACTS, which).tobytes()


def expected(rows, name):
    data, start, stop = placed([row[0] for row in rows])
    ids = [digest.tobytes().hex() for digest in digests(data, start, stop)]
    return b"".join(
        reference_lines.bronze_line(payload, record_id, tuple(place), name, FACTS[which])
        for record_id, (payload, *place, which) in zip(ids, rows, strict=True)
    )


@settings(deadline=None, max_examples=200)
@given(ROWS, st.text(max_size=8) | st.just('100%b "\\"'), st.sampled_from([np.int64, np.int32, np.uint8]))
def test_lines_are_those_of_the_reference(rows, name, kind):
    name = json.dumps(name).encode()
    assert written(rows, name, kind) == expected(rows, name)


def test_a_line_is_json_with_the_payload_last():
    line = json.loads(written([(b'{"p":[1]}', 3, 40, 9, 0)], b'"f.jsonl"'))
    assert line["origin"] == {"path": "f.jsonl", "line": 3, "offset": 40, "length": 9}
    assert list(line)[-1] == "payload" and line["payload"] == {"p": [1]} and len(line["record_id"]) == 64


def test_no_rows_give_no_bytes():
    assert written([], b'"f"') == b""


@pytest.mark.parametrize("digits", range(1, 20))
def test_numbers_of_every_width(digits):
    rows = [(b"{}", 10 ** (digits - 1), 10 ** min(digits, 18) - 1, 0, 0)]
    assert written(rows, b'"f"') == expected(rows, b'"f"')


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([b"\r", b"\n", b"x", b" ", b"\x8a"]), max_size=80).map(b"".join), max_size=4
    )
)
def test_line_ends_inside_payloads_become_spaces_and_nothing_else_changes(payloads):
    data, start, stop = placed(payloads)
    flat = flatten(data, start, stop)
    assert flat.tobytes() == b"\n".join([*map(reference_lines.flatten, payloads), b""])
    assert data.tobytes() == b"\n".join([*payloads, b""])


def test_data_without_line_ends_inside_payloads_is_not_copied():
    data, start, stop = placed([b'{"a":1}', b"", b'{"b":2}'])
    assert flatten(data, start, stop) is data
    empty = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64)
    assert flatten(*empty) is empty[0]
