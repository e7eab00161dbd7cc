import pytest

from ingest.taken import accepted, reasons, take
from toolkit.errors import RequestError
from toolkit.ingest import parse_contract

CONTRACT = parse_contract(["prompt:text", "meta.turns:integer"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"prompt":"a","meta":{"turns":2}}', None),
        (b'{"prompt":"","meta":{"turns":0}}', None),
        (b'{"meta":{"turns":2}}', "schema.missing_field"),
        (b'{"prompt":null,"meta":{"turns":2}}', "schema.missing_field"),
        (b'{"prompt":"a","meta":{}}', "schema.missing_field"),
        (b'{"prompt":"a","meta":[2]}', "schema.missing_field"),
        (b'{"prompt":["a"],"meta":{"turns":2}}', "schema.wrong_type"),
        (b'{"prompt":"a","meta":{"turns":2.5}}', "schema.wrong_type"),
        (b'{"prompt":"a","meta":{"turns":true}}', "schema.wrong_type"),
        (b'{"prompt":"a","meta":{"turns":"2"}}', "schema.wrong_type"),
        (b'{"prompt":"a","x":"\\ud800","meta":{"turns":2}}', None),
        (b'{"prompt":"a","meta":{"turns":123456789012345678901234567890}}', None),
    ],
)
def test_a_record_must_hold_what_the_contract_requires(line, reason):
    part = take(line, contract=CONTRACT)
    assert (reasons(part) or [None]) == [reason]
    assert [payload for _, payload in accepted(part)] == ([] if reason else [line])


@pytest.mark.parametrize(
    ("kind", "good"),
    [("text", b'"a"'), ("integer", b"1"), ("number", b"1.5"), ("boolean", b"true"), ("list", b"[]")],
)  # fmt: skip
def test_each_type_takes_its_own_values_and_any_takes_all(kind, good):
    line = b'{"f":%b}' % good
    assert reasons(take(line, contract=parse_contract([f"f:{kind}"]))) == []
    assert reasons(take(line, contract=parse_contract(["f"]))) == []


@pytest.mark.parametrize("line", ["", ":text", "a:string", "a:text:x"])
def test_a_contract_that_is_none_is_refused(line):
    with pytest.raises(RequestError, match="expected FIELD or FIELD:TYPE"):
        parse_contract([line])
