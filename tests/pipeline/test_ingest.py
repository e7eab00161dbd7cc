"""The verb ``toolkit.ingest``: what may be handed to it, and what it hands back."""

import pytest

import toolkit
from toolkit.errors import RequestError


@pytest.fixture
def raw(tmp_path):
    """A record with a text, and one without."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":"a"}\n{"n":1}\n')
    return path


def streamed(*arguments, **options):
    """The payloads that a stream gives, and what it sets aside by reason."""
    stream = toolkit.ingest(*arguments, **options)
    return [record["payload"] for record in stream], stream.quarantined.counts


@pytest.mark.parametrize("require", ["text", ["text"], ("text",), "text:text"], ids=repr)
def test_one_requirement_needs_no_list(raw, require):
    assert streamed(raw, require=require) == ([{"text": "a"}], {"schema.missing_field": 1})


def test_one_requirement_is_written_into_the_lake_as_one(raw, tmp_path):
    lake = toolkit.ingest(raw, tmp_path / "lake", require="text", workers=1).lake
    assert 'require = ["text"]' in (lake / "spec.toml").read_text()


@pytest.mark.parametrize("wrong", [[3], b"text", [None], [""]], ids=repr)
def test_a_requirement_that_is_no_text_is_refused(raw, wrong):
    with pytest.raises(RequestError, match="expected FIELD or FIELD:TYPE"):
        toolkit.ingest(raw, require=wrong)


@pytest.mark.parametrize("kind", [str, lambda path: path, lambda path: [path], lambda path: (str(path),)])
def test_one_path_needs_no_list(raw, kind):
    assert streamed(kind(raw)) == ([{"text": "a"}, {"n": 1}], {})
