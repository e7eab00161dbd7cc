"""Alarms of dedup: a source that loses much, a bucket that swallows one, pairs alike but for a template."""

import json
import random
import re

import pyarrow as pa
import pytest
from lakes import words, write_lines

import toolkit
from toolkit.errors import GateError

SPEC = """
[lake]
logical_date = "2026-11-22"
[[source]]
id = "forms"
type = "synthetic"
path = "forms.jsonl"
[[source]]
id = "free"
type = "synthetic"
path = "free.jsonl"
[dedup]
max_loss = %s
"""


def world(folder, most):
    form = words("form", 120)
    forms = [{"prompt": f"{form} number{i}", "response": f"done{i}"} for i in range(150)]
    free = [{"prompt": f"say {i}", "response": words(f"free{i}x")} for i in range(40)]
    write_lines(folder / "forms.jsonl", forms)
    write_lines(folder / "free.jsonl", [*free, *free[:5]])
    (folder / "spec.toml").write_text(SPEC % most)
    return folder / "spec.toml"


def test_a_lake_tells_which_source_loses_much_and_to_which_bucket(tmp_path):
    run = toolkit.run(world(tmp_path, "1.0"), workers=2)
    told = {(alarm["source"], alarm["rate"]): alarm["message"] for alarm in run.manifest["alarms"]}
    assert told[("forms", "duplicates")] == "forms loses 99% of its 150 records"
    crowd = re.fullmatch(
        r"one bucket holds (\d+) of the 150 records of forms: a template may decide",
        told.pop(("forms", "one bucket")),
    )
    assert int(crowd[1]) >= 100 and len(told) == 1
    assert crowd[0] in (run.lake / "report.html").read_text()
    assert "alarm: forms loses 99%" in repr(run)
    assert toolkit.audit(run.lake).ok
    again = toolkit.run(tmp_path / "spec.toml", workers=1)
    assert again.manifest["alarms"] == run.manifest["alarms"]


def test_a_source_of_a_lake_that_loses_too_much_stops_the_run(tmp_path):
    with pytest.raises(GateError, match=r"forms would lose 149 of 150 .* max_loss = 0.5"):
        toolkit.run(world(tmp_path, "0.5"), workers=1)
    assert not (tmp_path / "lake" / "MANIFEST.json").exists()


def test_pairs_that_only_a_template_told_apart_are_an_alarm():
    draw = random.Random(0)
    begin = words("so", 8)
    ends = [f"{begin} {words(one, 20)}" for one in ("yes", "no")]  # each in half of the texts: a template
    rows = []
    for i in range(200):
        body = " ".join(f"b{i}_{draw.randrange(99)}" for _ in range(30))
        rows += [{"messages": [{"role": "user", "content": body}, {"role": "assistant", "content": end}]}
                 for end in ends]  # fmt: skip
    found = toolkit.dedup(pa.Table.from_pylist(rows), workers=1)
    assert found.facts["masked_pairs_at_one"] > 100
    assert any("similar pairs are equal" in line for line in found.manifest["alarms"])
    whole = toolkit.dedup(pa.Table.from_pylist(rows), common=0.0, workers=1)
    assert not len(whole.evidence) and whole.manifest["alarms"] == []
    assert json.dumps(found.manifest)
