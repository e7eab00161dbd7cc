import gzip
import hashlib
from pathlib import Path

import pytest

from toolkit.errors import RequestError
from toolkit.pipeline.plan import Pins, make_plan
from toolkit.pipeline.spec.reader import parse_spec

LINE = b'{"prompt":"a","response":"b"}\n'


@pytest.fixture
def base(tmp_path):
    for name, data in {"raw/a.jsonl": LINE, "raw/b.jsonl": LINE * 2, "eval.jsonl": b"{}\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def plan(base, path="raw", lake="lake", more="", forgotten=frozenset()):
    source = f'[[source]]\nid = "s"\ntype = "synthetic"\npath = "{path}"\n'
    return make_plan(parse_spec(f'[lake]\npath = "{lake}"\n{source}{more}', base), forgotten)


def listed(found, key):
    return [file[key] for file in found.listing()[0]["files"]]


def everything(base):
    return sorted((str(path), path.is_file() and path.read_bytes()) for path in base.rglob("*"))


def test_a_plan_lists_the_files_in_the_order_of_their_names(base):
    assert listed(plan(base), "name") == ["raw/a.jsonl", "raw/b.jsonl"]


def test_a_plan_writes_nothing(base):
    before = everything(base)
    plan(base)
    assert everything(base) == before


def test_a_plan_is_the_same_wherever_its_folder_is(base, tmp_path_factory):
    here = plan(base).listing()
    assert plan(base.rename(tmp_path_factory.mktemp("x") / "moved")).listing() == here


def test_a_forgotten_source_is_not_looked_for(base):
    assert plan(base, "missing", forgotten=frozenset(["s"])).sources == ()


def test_a_missing_source_is_refused(base):
    with pytest.raises(RequestError, match="source 's': no file at"):
        plan(base, "missing")


@pytest.mark.parametrize(
    ("lake", "match"),
    [
        ("raw/a.jsonl", "is a file; expected a folder"),
        (".", "holds the spec itself"),
        ("..", "holds the spec itself"),
        ("raw", "is not empty and is not a lake"),
        ("raw/lake", r"source 's': the lake .* lies inside"),
    ],
)
def test_a_lake_in_a_place_that_holds_something_else_is_refused(base, lake, match):
    with pytest.raises(RequestError, match=match):
        plan(base, lake=lake)


def test_a_source_inside_the_lake_is_refused(base):
    (base / "lake/bronze").mkdir(parents=True)
    (base / "lake/spec.toml").touch()
    (base / "lake/bronze/x.jsonl").write_bytes(LINE)
    with pytest.raises(RequestError, match=r"x\.jsonl lies inside the lake"):
        plan(base, "lake/bronze")


def test_a_glob_that_reaches_into_the_lake_reads_what_it_read_before_there_was_one(base):
    before = plan(base, "**/*.jsonl").listing()
    (base / "lake/quarantine").mkdir(parents=True)
    (base / "lake/spec.toml").touch()
    (base / "lake/quarantine/x.jsonl").write_bytes(LINE)
    assert plan(base, "**/*.jsonl").listing() == before


def test_a_link_into_the_lake_is_refused(base):
    (base / "lake").mkdir()
    (base / "lake/spec.toml").write_bytes(LINE)
    (base / "raw/link.jsonl").symlink_to(base / "lake/spec.toml")
    with pytest.raises(RequestError, match="lies inside the lake"):
        plan(base)


@pytest.mark.parametrize("name", [None, "spec.toml", ".tmp-77-spec.toml"])
def test_an_empty_folder_a_lake_and_what_a_kill_left_are_fit_for_a_lake(base, name):
    (base / "lake").mkdir()
    if name:
        (base / "lake" / name).touch()
    assert listed(plan(base), "lines") == [1, 2]


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["plain", "gz"])
def test_a_source_without_a_byte_is_refused_by_its_files(base, data):
    (base / "none.jsonl").write_bytes(data)
    with pytest.raises(RequestError, match=r"source 's' is empty: no byte in .*none\.jsonl"):
        plan(base, "none.jsonl")


def test_one_empty_file_among_others_is_listed(base):
    (base / "raw/c.jsonl").touch()
    assert listed(plan(base), "size") == [len(LINE), 2 * len(LINE), 0]


def test_a_file_delivered_twice_is_the_same_as_its_first_name(base):
    (base / "raw/c.jsonl").write_bytes(LINE)
    assert listed(plan(base), "same_as") == [None, None, "raw/a.jsonl"]


def test_a_file_delivered_again_compressed_is_the_same(base):
    (base / "raw/c.jsonl.gz").write_bytes(gzip.compress(LINE))
    assert listed(plan(base), "same_as") == [None, None, "raw/a.jsonl"]


def test_a_damaged_file_is_planned_to_be_set_aside_from_where_it_is_damaged(base):
    (base / "raw/c.jsonl.gz").write_bytes(gzip.compress(LINE * 3)[:-3])
    spans = [piece.span for part in plan(base).sources[0].deliveries.parts for piece in part]
    assert [span.fault for span in spans] == [None, None, None, "compression.damaged"]


def test_a_missing_tokenizer_is_refused(base):
    with pytest.raises(RequestError, match=r"packing\.tokenizer: no file at .*t\.json"):
        plan(base, more='[packing]\ntokenizer = "t.json"\n')


def test_a_tokenizer_is_known_by_its_bytes(base):
    (base / "t.json").write_bytes(b"{}")
    found = plan(base, more='[packing]\ntokenizer = "t.json"\n')
    assert found.pins == Pins(tokenizer=hashlib.sha256(b"{}").hexdigest())


EVAL = '[[decontaminate.set]]\nid = "e"\npath = "%s"\n'


def test_an_evaluation_set_is_known_by_its_bytes(base):
    found = plan(base, more=EVAL % "eval.jsonl").eval_sha256()
    assert found == {"e": [["eval.jsonl", hashlib.sha256(b"{}\n").hexdigest()]]}


def test_a_missing_evaluation_set_is_refused(base):
    with pytest.raises(RequestError, match="source 'e': no file at"):
        plan(base, more=EVAL % "missing.jsonl")


def test_what_a_record_carries_depends_on_the_date_and_the_source_alone(base):
    doors = [plan(base, shards).sources[0].door("2026-01-02") for shards in ("raw", "raw/a.jsonl")]
    assert doors[0] == doors[1]


def test_another_date_is_another_run(base):
    source = plan(base).sources[0]
    assert source.door("2026-01-02").run_id != source.door("2026-01-03").run_id


def test_paths_lead_to_the_files(base):
    assert [Path(path).read_bytes() for _, path in sorted(plan(base).sources[0].paths.items())] == [
        LINE,
        LINE * 2,
    ]
