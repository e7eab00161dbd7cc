import datetime
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import packing
from toolkit.errors import RequestError
from toolkit.packing import READY
from toolkit.packing.tokens.limits import Policy
from toolkit.pipeline.spec import tables
from toolkit.pipeline.spec.reader import _RANGES, load_spec, parse_spec
from toolkit.pipeline.spec.tables import (
    METHODS,
    OVER,
    TEMPLATES,
    EvalSet,
    LakeTable,
    Packing,
    Quality,
    Source,
    Spec,
    as_data,
)
from toolkit.pipeline.spec.toml_lines import key_lines
from toolkit.pipeline.spec.writer import to_toml

BASE = Path("/base")
SOURCE = '[[source]]\nid = "a"\ntype = "synthetic"\npath = "a.jsonl"\n'
EVAL = '[[decontaminate.set]]\nid = "e"\npath = "e.jsonl"\n'
HEADS = {
    "lake": "[lake]\n",
    "source[0]": SOURCE,
    "ingest": "[ingest]\n",
    "quality": "[quality]\n",
    "decontaminate": "[decontaminate]\n",
    "decontaminate.set[0]": EVAL,
    "dedup": "[dedup]\n",
    "packing": "[packing]\n",
}
KINDS = dict(
    zip(
        HEADS,
        (LakeTable, Source, tables.Ingest, Quality, tables.Decontaminate, EvalSet, tables.Dedup, Packing),
        strict=True,
    )
)


def parse(text):
    return parse_spec(text, BASE)


def with_key(table, key, literal):
    """A spec with one more key in one of its tables; the key is on line ``lines`` of the text."""
    head = re.sub(rf"^{key} = .*\n", "", HEADS[table], flags=re.MULTILINE)
    text = f"{head}{key} = {literal}\n"
    return text if table == "source[0]" else text + SOURCE, text.count("\n")


def wrong(hint):
    values = {
        "str": ["5", "true", '["x"]', "{a = 1}"],
        "int": ['"5"', "1.5", "true"],
        "float": ['"1"', "true"],
        "bool": ['"yes"', "1"],
        "str | Sequence[str]": ["5", "true", "[5]", "[]", "{a = 1}"],
        "Sequence[str]": ['"x"', "[5]", '["x", true]'],
        "Sequence[EvalSet]": ["5", "[5]"],
        "Mapping[str, Any]": [
            "5",
            '"x"',
            "{prompt = 5}",
            "{prompt = [5]}",
            "{prompt = true}",
            "{prompt = []}",
            '{prompt = ""}',
            '{prompt = [""]}',
            "{prompt = {a = 1}}",
        ],
    }
    return values[hint.removesuffix(" | None")]


WRONG = [
    (table, item.name, literal)
    for table, kind in KINDS.items()
    for item in fields(kind)
    for literal in wrong(item.type)
]


def test_a_spec_with_one_source_has_the_defaults():
    assert parse(SOURCE) == Spec(BASE, source=(Source("a", "synthetic", "a.jsonl"),))


@pytest.mark.parametrize(("table", "key", "literal"), WRONG, ids=[" ".join(item) for item in WRONG])
def test_a_value_of_the_wrong_type_is_refused_by_line_and_key(table, key, literal):
    text, line = with_key(table, key, literal)
    with pytest.raises(RequestError, match=rf"^spec:{line}: {re.escape(table)}\.{key}[^ ]*: "):
        parse(text)


@pytest.mark.parametrize(
    ("table", "key", "nearest"),
    [
        ("lake", "pth", "path"),
        ("source[0]", "licence", "license"),
        ("ingest", "shard_byte", "shard_bytes"),
        ("quality", "min_char", "min_chars"),
        ("decontaminate", "n_gram", "ngram"),
        ("decontaminate.set[0]", "field", "fields"),
        ("dedup", "treshold", "threshold"),
        ("packing", "tokeniser", "tokenizer"),
    ],
)
def test_an_unknown_key_is_refused_by_line_with_the_nearest_valid_one(table, key, nearest):
    text, line = with_key(table, key, "1")
    with pytest.raises(
        RequestError, match=rf"^spec:{line}: {re.escape(table)}\.{key}: unknown key; .* '{nearest}'"
    ):
        parse(text)


@pytest.mark.parametrize(("key", "nearest"), [("dedupe", "dedup"), ("sources", "source"), ("base", "lake")])
def test_an_unknown_table_is_refused_with_the_nearest_valid_one(key, nearest):
    with pytest.raises(
        RequestError, match=rf"^spec:1: {key}: unknown key; the nearest valid key is '{nearest}'"
    ):
        parse(f'{key} = "x"\n{SOURCE}')


def test_an_unknown_name_in_a_map_is_refused_with_the_nearest_valid_one():
    with pytest.raises(RequestError, match=r"^spec:6: source\[0\]\.map\.promt: unknown key; .* 'prompt'"):
        parse(SOURCE + '[source.map]\npromt = "x"\n')


@pytest.mark.parametrize("key", ["id", "type", "path"])
def test_a_key_that_a_source_needs_is_missed(key):
    with pytest.raises(RequestError, match=rf"^spec:1: source\[0\]: the key '{key}' is missing"):
        parse(re.sub(rf"^{key} = .*\n", "", SOURCE, flags=re.MULTILINE))


def test_the_second_of_two_sources_is_refused_by_its_own_line():
    with pytest.raises(RequestError, match=r"^spec:9: source\[1\]\.regime: 'stf' is not one of .* 'sft'"):
        parse(SOURCE + SOURCE.replace('"a"', '"b"') + 'regime = "stf"\n')


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_lines_are_counted_as_an_editor_counts_them(line_break):
    text = '[lake]\n# \u2028 \x85\npath = "a\u2028b\u2029c"\nx = 1\n'.replace("\n", line_break) + SOURCE
    with pytest.raises(RequestError, match=r"^spec:4: lake\.x"):
        parse(text)


def test_a_wrong_item_of_a_list_over_several_lines_is_refused_by_the_line_of_its_key():
    with pytest.raises(RequestError, match=r"^spec:2: quality\.deny_licenses\[1\]"):
        parse(f'[quality]\ndeny_licenses = [\n"a",\n5]\n{SOURCE}')


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".hidden", "-x", "a b", "ä", "a\\\\b", "..", "a\\n", "x" * 101]
)
@pytest.mark.parametrize("table", ["source[0]", "decontaminate.set[0]"])
def test_an_id_that_cannot_name_a_folder_is_refused(table, name):
    text, line = with_key(table, "id", f'"{name}"')
    with pytest.raises(RequestError, match=rf"^spec:{line}: {re.escape(table)}\.id: .* cannot name a folder"):
        parse(text)


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "0", "x" * 100])
def test_an_id_that_can_name_a_folder_is_taken(name):
    assert parse(SOURCE.replace('"a"', f'"{name}"')).source[0].id == name


@pytest.mark.parametrize(
    ("text", "where"), [(SOURCE * 2, r"6: source\[1\]"), (SOURCE + EVAL * 2, r"9: .*set\[1\]")]
)
def test_an_id_used_twice_is_refused(text, where):
    with pytest.raises(RequestError, match=rf"^spec:{where}\.id: '.' is used twice"):
        parse(text)


def literal(hint, value):
    return str(int(value)) if hint == "int" else repr(float(value))


LIMITS = [
    (where, side, value)
    for where, low, high in _RANGES
    for side, value in (("inside", low), ("inside", high), ("outside", low - 1), ("outside", high + 1))
]


def ranged(where, value):
    table, key = where.split(".")
    hint = next(item.type for item in fields(KINDS[table]) if item.name == key)
    return with_key(table, key, literal(hint, value))


@pytest.mark.parametrize(("where", "value"), [(w, v) for w, side, v in LIMITS if side == "inside"])
def test_the_ends_of_a_range_are_allowed(where, value):
    table, key = where.split(".")
    assert getattr(getattr(parse(ranged(where, value)[0]), table), key) == value


@pytest.mark.parametrize(("where", "value"), [(w, v) for w, side, v in LIMITS if side == "outside"])
def test_beyond_a_range_is_refused_with_the_range(where, value):
    text, line = ranged(where, value)
    with pytest.raises(RequestError, match=rf"^spec:{line}: {where}: expected .* to .*, found"):
        parse(text)


def test_every_number_has_a_range_or_is_a_rank():
    numbers = {
        f"{t}.{item.name}"
        for t, kind in KINDS.items()
        for item in fields(kind)
        if item.type in ("int", "float")
    }
    assert numbers == {where for where, _, _ in _RANGES} | {"source[0].rank"}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1" + "0" * 400])
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(RequestError, match=r"^spec:2: dedup\.threshold"):
        parse(f"[dedup]\nthreshold = {value}\n{SOURCE}")


@pytest.mark.parametrize("value", ["word:0", "word:", "char:5", "word:5 ", "byte:10000", "", "word:٣"])
def test_a_shingle_of_another_form_is_refused(value):
    with pytest.raises(RequestError, match=r"^spec:2: dedup\.shingle: expected word:N or byte:N"):
        parse(f'[dedup]\nshingle = "{value}"\n{SOURCE}')


@pytest.mark.parametrize(
    "value", ['"2026-13-01"', '"20260101"', '""', '"today"', "2026-01-01T00:00:00", '"2026-W01-1"']
)
def test_a_date_of_another_form_is_refused(value):
    with pytest.raises(RequestError, match=r"^spec:2: lake\.logical_date: expected YYYY-MM-DD"):
        parse(f"[lake]\nlogical_date = {value}\n{SOURCE}")


@pytest.mark.parametrize("value", ['"2026-02-28"', "2026-02-28"])
def test_a_date_may_be_text_or_a_date(value):
    assert parse(f"[lake]\nlogical_date = {value}\n{SOURCE}").lake.logical_date == "2026-02-28"


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [("type", "web", "web_scrape"), ("regime", "SFT", "sft"), ("pii", "suspect", "suspected")],
)
def test_a_value_that_is_not_one_of_the_valid_ones_is_refused_with_the_nearest(key, value, nearest):
    text, line = with_key("source[0]", key, f'"{value}"')
    with pytest.raises(
        RequestError, match=rf"^spec:{line}: source\[0\]\.{key}: '{value}' is not .*nearest is"
    ):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["[", "a = ", 'a = "x', "a = 1\na = 2", "[a]\n[a]", "x = " + "[" * 5000, "x = " + "1" * 5000, "\0"],
    ids=lambda text: repr(text[:9]),
)
def test_what_is_not_toml_is_refused(text):
    with pytest.raises(RequestError, match=r"^spec: not valid TOML"):
        parse(text)


@pytest.mark.parametrize("text", ["", "source = []", "[lake]\n"])
def test_a_spec_without_a_source_is_refused(text):
    with pytest.raises(RequestError, match="name at least one"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["source = 5", 'source = "x"', "source = [5]", '[source]\nid = "a"', "dedup = 5", "lake = []"]
)
def test_a_table_of_another_form_is_refused(text):
    with pytest.raises(RequestError, match=r"^spec:1: .*expected a"):
        parse(text if "source" in text else f"{text}\n{SOURCE}")


def test_a_missing_spec_is_refused_by_path(tmp_path):
    with pytest.raises(RequestError, match=r"cannot read the spec .*x\.toml: No such file"):
        load_spec(tmp_path / "x.toml")


def test_a_folder_is_no_spec(tmp_path):
    with pytest.raises(RequestError, match="is a folder"):
        load_spec(tmp_path)


def test_a_spec_that_is_not_utf8_is_refused_by_the_byte(tmp_path):
    (tmp_path / "s.toml").write_bytes(b'a = "\xff"')
    with pytest.raises(RequestError, match=r"s\.toml is not UTF-8: .* at byte 5"):
        load_spec(tmp_path / "s.toml")


def test_paths_are_relative_to_the_folder_of_the_spec(tmp_path):
    (tmp_path / "s.toml").write_text(SOURCE)
    assert load_spec(tmp_path / "s.toml").lake_path == (tmp_path / "lake").resolve()


def test_plain_data_of_a_spec_does_not_hold_its_folder():
    assert "base" not in as_data(parse(SOURCE))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ['"', "\\", "a\"b'c", "\n", "\r\n", "\0", "\x7f", "\x85", "\u2028", '"""', "\\u0041", "#", "[x]", "ü😀"]
)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
DATES = st.none() | st.dates(min_value=datetime.date(1000, 1, 1)).map(str)
SOURCES = st.builds(
    Source,
    IDS,
    st.just("web_scrape"),
    NAMES | st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.none() | NAMES,
    st.none() | st.booleans(),
    st.just("rl"),
    st.integers(-(2**70), 2**70),
    st.sampled_from(["auto", "csv"]),
    st.sampled_from(["blank-line", "marker:<|end|>"]),
    st.none() | NAMES,
    st.lists(st.sampled_from(["a:text", "b"]), max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(["prompt", "answer"]), st.tuples(NAMES, NAMES)),
    st.none() | st.just("known"),
)
SPECS = st.builds(
    Spec,
    NAMES.map(lambda name: Path("/", name.replace("\0", ""))),
    st.builds(LakeTable, NAMES, DATES),
    st.lists(SOURCES, min_size=1, max_size=3, unique_by=lambda source: source.id).map(tuple),
    st.builds(tables.Ingest, max_reject_share=st.floats(0, 1)),
    st.builds(Quality, deny_licenses=st.lists(NAMES, max_size=2).map(tuple)),
    st.builds(
        tables.Decontaminate,
        set=st.lists(st.builds(EvalSet, IDS, NAMES), max_size=2, unique_by=lambda item: item.id).map(tuple),
    ),
    st.builds(tables.Dedup, threshold=st.floats(0.3, 1.0), seed=st.integers(0, 2**63 - 1)),
    st.builds(Packing, tokenizer=st.none() | NAMES),
)


@settings(deadline=None, max_examples=50)
@given(SPECS)
def test_a_spec_written_as_toml_reads_back_equal(spec):
    assert parse_spec(to_toml(spec), Path("/elsewhere")) == spec


@settings(deadline=None, max_examples=20)
@given(SPECS)
def test_writing_a_spec_twice_gives_the_same_text(spec):
    assert to_toml(parse_spec(to_toml(spec), Path("/elsewhere"))) == to_toml(spec)


def test_keys_are_found_on_their_lines():
    text = 'a.b = 1\n# c = 2\n[t]\n"q" = 1\n\n[[s]]\nx = 1\n[s.m]\ny = 2\n[[s]]  # again\nx = 3\n'
    text += "[[d.set]]\nz = 1\n"
    assert key_lines(text) == {
        "a.b": 1,
        "t": 3,
        "t.q": 4,
        "s[0]": 6,
        "s[0].x": 7,
        "s[0].m": 8,
        "s[0].m.y": 9,
        "s[1]": 10,
        "s[1].x": 11,
        "d.set[0]": 12,
        "d.set[0].z": 13,
    }


def test_what_a_spec_may_ask_of_packing_is_what_packing_has():
    assert set(TEMPLATES) == set(READY)
    assert set(METHODS) == set(packing.METHODS)
    assert get_args(Policy) == OVER
