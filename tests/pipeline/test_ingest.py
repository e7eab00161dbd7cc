"""The verb ``toolkit.ingest``: what may be handed to it, and what it hands back."""

import inspect
import os
from typing import get_overloads

import pytest

import toolkit
from toolkit.errors import RequestError
from toolkit.pipeline.ingest import ingest
from toolkit.pipeline.result import Run
from toolkit.pipeline.streamed import Streamed


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


@pytest.mark.parametrize("out", [None, "lake"])
def test_a_named_pipe_is_refused_before_anything_is_written(tmp_path, out):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="toolkit ingest - < "):
        toolkit.ingest(tmp_path / "pipe", out and tmp_path / out)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_the_type_of_out_decides_the_type_of_the_result(raw, tmp_path):
    told = {each.__annotations__["out"]: each.__annotations__["return"] for each in get_overloads(ingest)}
    assert told == {"None": "Streamed", "str | Path": "Run"}
    assert isinstance(toolkit.ingest(raw), Streamed)
    assert isinstance(toolkit.ingest(raw, tmp_path / "lake", workers=1), Run)


@pytest.mark.parametrize("each", get_overloads(ingest), ids=lambda each: each.__annotations__["return"])
def test_an_overload_has_the_options_of_the_verb(each):
    told, real = (inspect.signature(one).parameters for one in (each, ingest))
    assert list(told) == list(real)
    own = {"out", "workers", "cluster"}  # what a stream does not take
    assert all(told[name].annotation == real[name].annotation for name in told.keys() - own)
