"""An audit finds any byte that changed, any row that is missing, any manifest that disagrees."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from lakes import small_world

import toolkit
from toolkit.storage import read_json, read_shard, sha256_file, write_json, write_parquet, write_shard


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return toolkit.run(small_world(tmp_path_factory.mktemp("sound")), workers=1).lake


@pytest.fixture
def lake(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "copy")


def reseal(lake, name):
    """Make every manifest agree that ``name`` is as it is now: only the books can tell."""
    digest, size = sha256_file(lake / name), (lake / name).stat().st_size
    manifests = sorted(lake.rglob("*.manifest.json"))
    for path in [*manifests, lake / "MANIFEST.json"]:
        data = read_json(path)
        for output in data.get("outputs", data.get("files", [])):
            if output["path"] == name:
                output["sha256"], output["size"] = digest, size
            elif path.name == "MANIFEST.json" and output["path"].endswith(".manifest.json"):
                output["sha256"] = sha256_file(lake / output["path"])
        write_json(path, data)


def test_a_sound_lake_passes(sound):
    assert toolkit.audit(sound).problems == []


def test_a_byte_changed_in_any_file_is_found_and_named(lake):
    names = [file["path"] for file in read_json(lake / "MANIFEST.json")["files"]]
    for name in [*names, "spec.toml"]:
        data = (lake / name).read_bytes()
        middle = len(data) // 2
        (lake / name).write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        try:
            problems = toolkit.audit(lake).problems
        except toolkit.errors.ToolkitError as error:
            problems = [str(error)]
        assert any(name in problem for problem in problems), name
        (lake / name).write_bytes(data)
    assert toolkit.audit(lake).ok


def test_a_missing_file_is_named(lake):
    (lake / "silver/b/part-00000.parquet").unlink()
    assert any("silver/b/part-00000.parquet: missing" in p for p in toolkit.audit(lake).problems)


def test_a_file_nobody_names_is_found(lake):
    (lake / "gold/sft/part-00099.parquet").write_bytes(b"?")
    assert any("gold/sft/part-00099.parquet" in p for p in toolkit.audit(lake).problems)


@pytest.mark.parametrize(
    "name",
    ["silver/b/part-00000.parquet", "gold/sft/part-00000.parquet", "gold/preference/part-00000.parquet",
     "evidence/dedup/b/part-00000.parquet", "evidence/decontaminate/b/part-00000.parquet"],
)  # fmt: skip
def test_a_row_taken_out_is_found_by_the_books_alone(lake, name):
    table = pq.read_table(lake / name)
    write_parquet(lake / name, table.slice(1))
    reseal(lake, name)
    assert any(name.rsplit("/", 2)[0] in p for p in toolkit.audit(lake).problems)


def test_two_silver_rows_swapped_for_others_are_found_though_counts_agree(lake):
    name = "silver/b/part-00000.parquet"
    table = pq.read_table(lake / name)
    write_parquet(lake / name, table.take([0, 0, *range(2, len(table))]))
    reseal(lake, name)
    assert any(p.startswith("silver") for p in toolkit.audit(lake).problems)


def test_a_payload_edited_in_bronze_is_found_by_its_own_hash(lake):
    name = "bronze/a/part-00000.jsonl.zst"
    lines = [line.replace(b"chat3x7", b"chat3x8") for line in read_shard(lake / name)]
    write_shard(lake / name, b"\n".join(lines) + b"\n")
    reseal(lake, name)
    assert any("record_id is not its payload's hash" in p for p in toolkit.audit(lake).problems)


def test_a_quarantined_line_taken_out_is_found(lake):
    name = "quarantine/ingest/a/part-00000.jsonl"
    lines = (lake / name).read_bytes().splitlines(keepends=True)
    (lake / name).write_bytes(b"".join(lines[1:]))
    reseal(lake, name)
    assert any("quarantine/ingest" in p for p in toolkit.audit(lake).problems)


def test_a_score_below_its_threshold_is_found(lake):
    name = "evidence/dedup/b/part-00000.parquet"
    table = pq.read_table(lake / name)
    at = table.schema.get_field_index("score")
    write_parquet(lake / name, table.set_column(at, "score", [[0.1] * len(table)]))
    reseal(lake, name)
    assert any("below the threshold" in p for p in toolkit.audit(lake).problems)


def test_a_ledger_edited_to_lose_a_record_is_found(lake):
    data = read_json(lake / "MANIFEST.json")
    data["ledgers"][0]["out"]["records"] -= 1
    (lake / "MANIFEST.json").write_text(json.dumps(data))
    assert any("does not balance" in p for p in toolkit.audit(lake).problems)


def test_a_manifest_that_disagrees_with_the_root_is_named(lake):
    name = "silver/a/part-00000.manifest.json"
    data = read_json(lake / name)
    data["outputs"][0]["sha256"] = "0" * 64
    write_json(lake / name, data)
    assert any(name in p for p in toolkit.audit(lake).problems)
