"""What the topic's README lists is what the code has."""

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import toolkit
from ingest.codes import codes_in
from toolkit.ingest import FORMATS
from toolkit.ingest.formats.code import SUFFIXES
from toolkit.ingest.reasons import REASONS
from toolkit.pipeline.spec.tables import Ingest, Source
from toolkit.records import MAP_FIELDS

HOUSE = Path(toolkit.__file__).parent
README = (HOUSE / "ingest" / "README.md").read_text()


def table(name):
    """The cells of the rows between two marks, without the head."""
    block = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)[1]
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in block.splitlines()[2:]]


def test_the_reason_codes_are_those_of_ingest():
    assert dict(table("reasons")) == REASONS


def test_the_codes_of_the_records_stage_are_those_that_stand_in_its_code():
    no_codes = {"schema.missing_", "verifier.spec"}  # the beginning of some; the place of a field
    found = set().union(*map(codes_in, (HOUSE / "records").glob("*.py"))) - no_codes
    assert {code for code, _ in table("records")} == found | {f"schema.missing_{name}" for name in MAP_FIELDS}


@pytest.mark.parametrize(("name", "kind"), [("source", Source), ("ingest", Ingest)])
def test_the_keys_and_defaults_are_those_of_the_spec(name, kind):
    assert [(key, default) for key, default, _ in table(name)] == [
        (item.name, written(item)) for item in fields(kind)
    ]


def written(item):
    """A default as the README writes it."""
    if item.default is MISSING:
        return "" if item.default_factory is MISSING else json.dumps(item.default_factory())
    return "none" if item.default is None else json.dumps(item.default)


def test_the_formats_and_suffixes_are_those_that_are_read():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (?!`|none)", README, re.MULTILINE)
    found = {name: re.findall(r"\.\w+", suffixes) for name, suffixes in rows if name in FORMATS}
    assert {n: s for n, s in found.items() if n != "code"} == {
        name: list(form.suffixes) for name, form in FORMATS.items() if name != "code"
    }
    assert set(found["code"]) < set(SUFFIXES)


def test_the_torture_table_has_room_for_the_benchmark():
    assert README.count("<!-- torture -->") == README.count("<!-- /torture -->") == 1
