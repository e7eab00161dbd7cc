import json

import pytest

from toolkit.errors import ToolkitError
from toolkit.storage import Group, Ledger, Output, PartManifest, read_json, write_atomic, write_json

BOOKS = Ledger("ingest", "bytes", Group(), Group(), {"json.invalid": Group()}, {}, {"blank": 1})


@pytest.fixture
def lake(tmp_path):
    write_atomic(tmp_path / "part", b"12345")
    outputs = [Output.of(tmp_path, tmp_path / "part", 3)]
    PartManifest("task", "key", outputs, [BOOKS], {"line": 1}).write(tmp_path / "m.json")
    return tmp_path


def fresh(lake, key="key"):
    return PartManifest.fresh(lake, lake / "m.json", key)


def damage(lake, change):
    data = json.loads((lake / "m.json").read_text())
    change(data)
    (lake / "m.json").write_text(json.dumps(data))


def test_a_manifest_reads_back_as_it_was_written(lake):
    outputs = [Output.of(lake, lake / "part", 3)]
    assert fresh(lake) == PartManifest("task", "key", outputs, [BOOKS], {"line": 1})


def test_a_manifest_names_its_files_from_the_lake(lake):
    write_atomic(lake / "a" / "b", b"")
    assert Output.of(lake, lake / "a" / "b", 0).path == "a/b"


def test_another_key_is_not_fresh(lake):
    assert fresh(lake, "other") is None


def test_a_missing_file_is_not_fresh(lake):
    (lake / "part").unlink()
    assert fresh(lake) is None


@pytest.mark.parametrize("data", [b"", b"1234", b"123456"])
def test_a_file_of_another_size_is_not_fresh(lake, data):
    (lake / "part").write_bytes(data)
    assert fresh(lake) is None


def test_no_manifest_is_not_fresh(lake):
    (lake / "m.json").unlink()
    assert fresh(lake) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "{}", "\udcff", "[" * 100_000], ids=repr)
def test_what_is_not_a_manifest_is_not_fresh(lake, text):
    (lake / "m.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert fresh(lake) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["outputs"].append(1),
        lambda data: data["outputs"][0].update(path=1),
        lambda data: data["outputs"][0].update(path="nul\0"),
        lambda data: data["outputs"][0].update(extra=1),
        lambda data: data["ledgers"][0].update(quarantined=[]),
        lambda data: data["ledgers"][0]["in"].update(ids=1),
        lambda data: data["ledgers"][0]["in"].update(ids="x"),
        lambda data: data.pop("facts"),
    ],
)
def test_a_manifest_of_another_form_is_not_fresh(lake, change):
    damage(lake, change)
    assert fresh(lake) is None


def test_json_reads_back_as_it_was_written(tmp_path):
    value = {"ü": [1, 2.5, None, "\u2028"]}
    write_json(tmp_path / "a", value)
    assert read_json(tmp_path / "a") == value


@pytest.mark.parametrize("data", [None, b"{", b"\xff"], ids=["missing", "cut", "not UTF-8"])
def test_json_that_cannot_be_read_is_an_error_with_the_path(tmp_path, data):
    if data is not None:
        (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ToolkitError, match=r"a\.json"):
        read_json(tmp_path / "a.json")
