import json
import shutil

import pytest

from toolkit.errors import RequestError, ToolkitError
from toolkit.packing.gold.gold import GOLD_PREFERENCE
from toolkit.packing.gold.gold_parts import gold_parts
from toolkit.storage import sha256_file

from .gold_folder import METADATA, pack_row, random_packs, random_pairs, write_gold, write_part


@pytest.fixture
def folder(tmp_path):
    return write_gold(tmp_path / "lake" / "gold" / "sft", random_packs(8))


def edited(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_parts_come_by_number_with_rows_regime_and_metadata(folder):
    gold = gold_parts(folder, verify=True)
    assert [(part.path.name, part.rows) for part in gold.parts] == [
        ("part-00000.parquet", 3),
        ("part-00001.parquet", 3),
        ("part-00002.parquet", 2),
    ]
    assert (gold.regime, dict(gold.metadata), gold.ignored) == ("sft", METADATA, ())


def test_part_one_hundred_thousand_comes_after_99999(tmp_path):
    folder = write_gold(tmp_path / "lake" / "gold" / "sft", random_packs(1))
    for number in (99999, 100000):
        write_part(folder, number, [pack_row(random_packs(1)[0])])
    with pytest.raises(ToolkitError, match="part 1 is missing of 3 parts up to part-100000"):
        gold_parts(folder)


def test_gold_is_read_from_a_copy_without_its_lake(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert gold_parts(copy, verify=True).digest == gold_parts(folder).digest


def test_a_file_that_no_manifest_names_is_not_read_and_is_said(folder):
    shutil.copy(folder / "part-00000.parquet", folder / "part-00003.parquet")
    shutil.copy(folder / "part-00000.parquet", folder / ".tmp-1-part-00004.parquet")
    gold = gold_parts(folder)
    assert len(gold.parts) == 3
    assert gold.ignored == (".tmp-1-part-00004.parquet", "part-00003.parquet")


def test_a_manifest_cannot_name_a_file_outside_its_folder(folder, tmp_path):
    outside = tmp_path / "part-00000.parquet"
    shutil.move(folder / "part-00000.parquet", outside)
    manifest = folder / "part-00000.manifest.json"
    for path in (str(outside), "../../../part-00000.parquet"):
        edited(manifest, lambda data, path=path: data["outputs"][0].update(path=path))
        with pytest.raises(ToolkitError, match="cannot be read"):
            gold_parts(folder)
    edited(manifest, lambda data: data["outputs"][0].update(path=".."))
    with pytest.raises(ToolkitError, match="part 0 is missing"):
        gold_parts(folder)


def test_a_folder_without_gold_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RequestError, match="has no gold"):
            gold_parts(folder)


def test_a_missing_part_between_others_is_an_error(folder):
    (folder / "part-00001.manifest.json").unlink()
    with pytest.raises(ToolkitError, match="part 1 is missing"):
        gold_parts(folder)


def test_a_named_part_that_is_gone_or_short_is_an_error(folder):
    path = folder / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ToolkitError, match="was cut short or replaced"):
        gold_parts(folder)
    path.unlink()
    with pytest.raises(ToolkitError, match=r"part-00001\.parquet: its manifest names it"):
        gold_parts(folder)


def test_a_changed_byte_is_found_on_request(folder):
    path = folder / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    with pytest.raises(ToolkitError, match="its bytes are not those"):
        gold_parts(folder, verify=True)


def test_a_manifest_that_says_other_rows_is_an_error(folder):
    edited(folder / "part-00002.manifest.json", lambda data: data["outputs"][0].update(rows=3))
    with pytest.raises(ToolkitError, match="3 rows"):
        gold_parts(folder)


def test_a_damaged_manifest_is_an_error(folder):
    (folder / "part-00002.manifest.json").write_text("{")
    with pytest.raises(ToolkitError, match="not a manifest"):
        gold_parts(folder)


@pytest.mark.parametrize("other", [{**METADATA, "context": "32"}, {}, {**METADATA, "template": "t"}])
def test_parts_that_mean_different_things_do_not_mix(folder, other):
    write_part(folder, 3, [pack_row(random_packs(1)[0])], metadata=other)
    with pytest.raises(ToolkitError, match=r"part-00003\.parquet: .* do not mix"):
        gold_parts(folder)


def test_regimes_do_not_mix(folder):
    write_part(folder, 3, random_pairs(1), GOLD_PREFERENCE)
    with pytest.raises(ToolkitError, match=r"part-00003\.parquet holds preference"):
        gold_parts(folder)


def root(folder, drop=0):
    files = [
        {"path": f"gold/sft/{path.name}", "sha256": sha256_file(path)}
        for path in sorted(folder.glob("*.parquet"))
    ]
    kept = [*files[: len(files) - drop], {"path": "silver/part-00000.parquet", "sha256": "0"}]
    (folder.parent.parent / "MANIFEST.json").write_text(json.dumps({"files": kept}))


def test_a_finished_lake_has_the_last_word_on_its_parts(folder):
    root(folder)
    assert len(gold_parts(folder).parts) == 3
    root(folder, drop=1)
    with pytest.raises(ToolkitError, match=r"has 3 parts and .* names 2"):
        gold_parts(folder)
