"""``toolkit dedup`` on plain files and tables: right, whole, the same bytes, and again."""

import gzip
import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit
from toolkit.errors import GateError, RequestError
from toolkit.pipeline.stages import similar
from toolkit.pipeline.stages.plain import parts

WORDS = [f"w{i}" for i in range(400)]


def corpus(seed, count=120, length=40):
    """Texts with copies, near copies and strangers; some empty."""
    draw, made = random.Random(seed), []
    for _ in range(count):
        kind = draw.random()
        if made and kind < 0.15:
            words = draw.choice(made).split(" ")
            for _ in range(draw.choice((1, 1, 2, 6))):
                words[draw.randrange(len(words))] = draw.choice(WORDS)
            made.append(" ".join(words))
        elif made and kind < 0.25:
            made.append(draw.choice(made).upper().replace(" ", "  "))
        elif kind < 0.28:
            made.append("")
        else:
            made.append(" ".join(draw.choices(WORDS, k=length)))
    return made


def shingles(text, n=5):
    words = text.lower().split()
    return {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))} if words else set()


def survivors_by_brute_force(rows, threshold=0.8):
    """Rows (key, text) in order of preference; the keys of those that stay."""
    kept = []
    for key, text in rows:
        mine = shingles(text)
        if not mine or not any(len(mine & other) >= threshold * len(mine | other) for _, other in kept):
            kept.append((key, mine))
    return {key for key, _ in kept}


def write_lines(path, rows):
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def lines_in(folder):
    return [line for path in sorted(folder.glob("part-*.jsonl")) for line in path.read_bytes().splitlines()]


def preferred(rows):
    """Indices by input order of one source: longer text first as normalised, then the id."""

    def order(i):
        line = json.dumps(rows[i]).encode()
        return -len(" ".join(rows[i]["text"].lower().split()).encode()), hashlib.sha256(line).hexdigest()[:16]

    return sorted(range(len(rows)), key=order)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


@pytest.mark.parametrize("seed", range(4))
def test_what_stays_is_what_a_comparison_of_all_pairs_keeps(tmp_path, seed):
    rows = [{"id": i, "text": text} for i, text in enumerate(corpus(seed))]
    source = write_lines(tmp_path / "in.jsonl", rows)
    found = toolkit.dedup(source, tmp_path / "out", recall=0.9999, workers=1)
    wanted = survivors_by_brute_force([(i, rows[i]["text"]) for i in preferred(rows)])
    assert {json.loads(line)["id"] for line in lines_in(tmp_path / "out")} == wanted
    assert found.ledgers[1].records_out.records == len(wanted)
    proof = pq.read_table(tmp_path / "out" / "evidence" / "duplicates.parquet").to_pylist()
    assert len(proof) == len(rows) - len(wanted)
    by_line = {i + 1: rows[i]["text"] for i in range(len(rows))}
    for row in proof:
        one, two = (shingles(by_line[row[name]["line"]]) for name in ("removed_origin", "kept_origin"))
        assert row["score"] == len(one & two) / len(one | two) >= row["threshold"]
        assert row["kept_origin"]["line"] - 1 in wanted


def test_lines_leave_as_they_came_and_none_is_lost(tmp_path):
    good = [
        b'{"text" : "One  two three",  "n":1.0}',
        b'{"text":"\\u0041 b c d e f g","big":123456789012345678901}',
    ]
    bad = [b'{"text": ', b"[1]", b"\xff\xfe{}"]
    again = b'{"text":"a B c d e f g"}'
    lone = b'{"text":"\\ud800 stands alone"}'
    (tmp_path / "in.jsonl").write_bytes(
        b"\n".join([good[0], bad[0], good[1], bad[1], b"", again, bad[2], lone])
    )
    found = toolkit.dedup(tmp_path / "in.jsonl", tmp_path / "out", workers=1)
    proof = found.evidence.to_pylist()
    assert sorted([*lines_in(tmp_path / "out")]) == sorted([*good, lone])
    assert [row["removed_origin"]["line"] for row in proof] == [6]
    aside = tmp_path / "out" / "quarantine" / "texts" / "part-00000.jsonl"
    entries = [json.loads(line) for line in aside.read_bytes().splitlines()]
    assert [(entry["origin"]["line"], entry["reason"]) for entry in entries] == [
        (2, "json.truncated"), (4, "json.not_object"), (7, "utf8.invalid"),
    ]  # fmt: skip
    assert sum(group.records for group in found.ledgers[0].quarantined.values()) == 3


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Several files in both formats, some compressed, cut into many parts."""
    folder = tmp_path_factory.mktemp("many")
    rows = [{"id": i, "text": text, "score": i % 7} for i, text in enumerate(corpus(9, 400))]
    write_lines(folder / "a.jsonl", rows[:150])
    cut_off = (folder / "a.jsonl").read_bytes()[:4000] + b"\n"
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(cut_off, mtime=0))
    pq.write_table(pa.Table.from_pylist(rows[150:]), folder / "c.parquet", row_group_size=40)
    return folder


@pytest.mark.parametrize("how", [{"workers": 2}, {"workers": 3}, {"cluster": "local:2"}])
def test_any_number_of_workers_writes_the_same_bytes(many, tmp_path, how, monkeypatch):
    if "cluster" in how:
        pytest.importorskip("distributed")
    toolkit.dedup(many, tmp_path / "one", workers=1)
    toolkit.dedup(many, tmp_path / "other", **how)
    assert digests(tmp_path / "one") == digests(tmp_path / "other")


def test_parts_and_blocks_of_any_size_keep_the_same_records(many, tmp_path, monkeypatch):
    whole = toolkit.dedup(many, tmp_path / "one", workers=1)
    monkeypatch.setattr(parts, "PART_BYTES", 3000)
    monkeypatch.setattr(similar, "BLOCK_BYTES", 1000)
    cut = toolkit.dedup(many, tmp_path / "other", workers=1)
    order = [("removed_id", "ascending"), ("kept_id", "ascending")]
    one, two = (found.evidence.sort_by(order).to_pylist() for found in (whole, cut))
    drop = ("removed_source", "kept_source")
    assert [{k: v for k, v in row.items() if k not in drop} for row in one] == [
        {k: v for k, v in row.items() if k not in drop} for row in two
    ]
    assert len(list((tmp_path / "other").glob("part-*"))) > len(list((tmp_path / "one").glob("part-*")))
    assert sorted(lines_in(tmp_path / "one")) == sorted(lines_in(tmp_path / "other"))


def test_what_is_done_is_not_done_again_and_other_settings_leave_nothing_behind(many, tmp_path):
    first = toolkit.dedup(many, tmp_path / "out", workers=1)
    before = digests(tmp_path / "out")
    again = toolkit.dedup(many, tmp_path / "out", workers=1)
    assert (first.worked, again.worked) == (True, False)
    assert digests(tmp_path / "out") == before
    toolkit.dedup(many / "a.jsonl", tmp_path / "out", workers=1)
    toolkit.dedup(many / "a.jsonl", tmp_path / "fresh", workers=1)
    assert digests(tmp_path / "out") == digests(tmp_path / "fresh")


@pytest.mark.parametrize("place", ["texts", "verify", "survivors"])
def test_what_was_killed_goes_on_to_the_same_bytes(many, tmp_path, place, monkeypatch):
    toolkit.dedup(many, tmp_path / "whole", workers=1)
    from toolkit.pipeline.runner import Runner

    stage = Runner.stage

    def killed(self, name, jobs):
        if name == place:
            for job in list(jobs)[: len(jobs) // 2 + 1]:
                job.run()
            raise KeyboardInterrupt
        return stage(self, name, jobs)

    monkeypatch.setattr(Runner, "stage", killed)
    with pytest.raises(KeyboardInterrupt):
        toolkit.dedup(many, tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "MANIFEST.json").exists()
    monkeypatch.undo()
    toolkit.dedup(many, tmp_path / "out", workers=1)
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_new_texts_against_old_survivors_end_as_both_from_scratch(tmp_path):
    rows = [{"id": i, "text": text} for i, text in enumerate(corpus(3, 300))]
    old, new = (
        write_lines(tmp_path / "old.jsonl", rows[:200]),
        write_lines(tmp_path / "new.jsonl", rows[200:]),
    )
    toolkit.dedup(old, tmp_path / "first", recall=0.9999, workers=1)
    second = toolkit.dedup(new, tmp_path / "second", against=tmp_path / "first", recall=0.9999, workers=1)
    both = toolkit.dedup([old, new], tmp_path / "both", recall=0.9999, workers=1)
    assert lines_in(tmp_path / "first") + lines_in(tmp_path / "second") == lines_in(tmp_path / "both")
    wanted = [row for row in both.evidence.to_pylist() if row["removed_origin"]["path"].endswith("new.jsonl")]
    told = ("removed_id", "kept_id", "method", "score", "kept_origin", "removed_origin")
    assert [[row[k] for k in told] for row in second.evidence.to_pylist()] == [
        [row[k] for k in told] for row in wanted
    ]
    assert any(row["kept_origin"]["path"].endswith("old.jsonl") for row in wanted)
    third = toolkit.dedup(new, tmp_path / "third", against=[tmp_path / "first", tmp_path / "second"],
                          recall=0.9999, workers=1)  # fmt: skip
    assert third.ledgers[1].records_out.records == sum(1 for row in rows[200:] if not row["text"])


def test_old_texts_are_read_only_to_verify(tmp_path):
    old, new = ["a b c d e f g h", "p q r s t u v w"], ["x y z x y z q r s", "P Q R S T U V W"]
    toolkit.dedup(pa.table({"text": old}), tmp_path / "first", workers=1)
    for path in (tmp_path / "first").glob("part-*"):
        path.unlink()
    found = toolkit.dedup(pa.table({"text": new}), tmp_path / "second", against=tmp_path / "first", workers=1)
    assert [row["kept_origin"]["line"] for row in found.evidence.to_pylist()] == [2]


@pytest.mark.parametrize(
    "keep, stays", [("score", 2), ("length", 1), ("rank,score", 0), ("score,length,id", 2)]
)
def test_the_order_of_preference_decides_who_stays(tmp_path, keep, stays):
    text = " ".join(WORDS[:40])
    first = pa.table({"text": [text], "score": [1.0], "id": [0]})
    second = pa.table({"text": [text + " and", text], "score": [None, 5.0], "id": [1, 2]})
    assert toolkit.dedup([first, second], keep=keep, workers=1).survivors["id"].to_pylist() == [stays]


def test_chains_remove_more_and_the_report_says_how_many_without_them():
    words = WORDS[:60]
    chain = [" ".join(words[i : i + 40]) for i in range(0, 20, 3)]
    table = pa.table({"text": chain})
    chosen = toolkit.dedup(table, workers=1, recall=0.9999)
    chained = toolkit.dedup(table, workers=1, recall=0.9999, chains=True)
    assert len(chained.survivors) == 1 < len(chosen.survivors)
    lost = len(chosen.survivors) - 1
    assert chosen.facts["lost_to_chains"] == chained.facts["lost_to_chains"] == lost
    assert chosen.facts["largest_component"] == len(chain)
    for row in chained.evidence.to_pylist():
        one, two = (shingles(chain[row[name]["line"] - 1]) for name in ("removed_origin", "kept_origin"))
        assert row["score"] == len(one & two) / len(one | two)


def test_conversations_pairs_and_named_fields_are_compared_on_what_they_say(tmp_path):
    said = " ".join(WORDS[:30])
    chat = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": said},
    ]
    other = [{"role": "system", "content": "B"}, *chat[1:]]
    rows = [{"messages": chat}, {"messages": other}, {"deep": {"text": said}}, {"deep": {"text": said}}]
    found = toolkit.dedup(write_lines(tmp_path / "in.jsonl", rows), tmp_path / "out", workers=1)
    assert [row["removed_origin"]["line"] for row in found.evidence.to_pylist()] in ([1], [2])
    named = toolkit.dedup(tmp_path / "in.jsonl", tmp_path / "named", text="deep.text", workers=1)
    assert [row["removed_origin"]["line"] for row in named.evidence.to_pylist()] in ([3], [4])
    asked = toolkit.dedup(tmp_path / "in.jsonl", tmp_path / "asked", text="messages", workers=1)
    assert [row["removed_origin"]["line"] for row in asked.evidence.to_pylist()] in ([1], [2])


def test_an_input_that_loses_too_much_stops_it_before_anything_is_published(tmp_path):
    table = pa.table({"text": ["same words here"] * 9 + ["other"]})
    with pytest.raises(GateError, match="8 of 10 records"):
        toolkit.dedup(table, tmp_path / "out", max_loss=0.5, workers=1)
    assert not (tmp_path / "out" / "MANIFEST.json").exists()


def test_more_than_half_lost_is_an_alarm(tmp_path):
    found = toolkit.dedup(pa.table({"text": ["same words here"] * 30}), workers=1)
    assert found.manifest["alarms"] == ["input-0 loses 97% of its 30 records"]
    assert "alarm: input-0 loses" in repr(found)


@pytest.mark.parametrize("rows", [[], [{"text": ""}], [{"text": None}, {"other": 1}]])
def test_nothing_to_compare_is_no_error(tmp_path, rows):
    source = write_lines(tmp_path / "in.jsonl", rows)
    found = toolkit.dedup(source, tmp_path / "out", workers=1)
    assert found.ledgers[1].records_out.records == len(rows)
    assert not len(found.evidence)


def test_wrong_requests_are_refused_in_words(tmp_path):
    source = write_lines(tmp_path / "in.jsonl", [{"text": "a"}])
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    cases = [
        ({"inputs": tmp_path / "rows.csv"}, "read as csv"),
        ({"inputs": tmp_path / "none.jsonl"}, "no file at"),
        ({"inputs": tmp_path / "broken.parquet"}, "cannot be read as Parquet"),
        ({"inputs": source, "out": tmp_path / "full"}, "not empty"),
        ({"inputs": source, "out": source}, "is a file"),
        ({"inputs": tmp_path, "out": tmp_path / "out"}, "lies in the input"),
        ({"inputs": source, "threshold": 2.0}, "dedup.threshold"),
        ({"inputs": source, "shingle": "letter:3"}, "word:N or byte:N"),
        ({"inputs": source, "keep": "id,length"}, "id last"),
        ({"inputs": source, "slots": 16, "threshold": 0.3, "recall": 0.9999}, "no bands of 16 slots"),
        ({"inputs": source, "against": tmp_path}, "holds no finished dedup"),
        ({"inputs": source, "workers": 0}, "at least 1"),
        ({"inputs": source, "text": "body"}, "none of the 1 records has a text in 'body'"),
        ({"inputs": pa.table({"id": [1, 2]})}, "none of the 2 records has a text or a conversation"),
    ]
    for options, message in cases:
        with pytest.raises(RequestError, match=message):
            toolkit.dedup(**({"out": tmp_path / "out2", "workers": 1} | options))
    toolkit.dedup(source, tmp_path / "first", workers=1)
    with pytest.raises(RequestError, match="shingle = 'word:5'"):
        toolkit.dedup(source, tmp_path / "second", shingle="byte:24", against=tmp_path / "first", workers=1)
    assert not Path(tmp_path / "out2" / "MANIFEST.json").exists()


def test_the_command_prints_what_was_found(tmp_path):
    write_lines(tmp_path / "in.jsonl", [{"text": "a b"}, {"text": "A  B"}, {"text": "c"}])
    command = [sys.executable, "-m", "toolkit", "dedup", tmp_path / "in.jsonl", "--out", tmp_path / "out"]
    done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, check=True)
    assert "3 records in, 2 out: 1 exact and 0 near-duplicates removed" in done.stdout
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["manifest"]["dedup"]["copies"] == 1


def templated(count, seed=0):
    """Chats of one template that differ in a few words, and with every tenth a near-duplicate of chat 0."""
    draw = random.Random(seed)
    template = " ".join(draw.choices(WORDS, k=600))
    said = " ".join(draw.choices(WORDS, k=60))
    rows = []
    for i in range(count):
        words = said.split() if i % 10 == 0 else draw.choices(WORDS, k=60)
        words = [*words[:-1], f"number{i}"] if i % 10 == 0 else words
        turns = [("user", f"{template} {' '.join(words)}"), ("assistant", f"done {template}")]
        rows.append({"messages": [{"role": role, "content": text} for role, text in turns]})
    return rows


@pytest.mark.parametrize("scheme", ["affine-1", "rounds-1"])
def test_chats_of_one_template_survive_and_what_was_left_out_is_told(tmp_path, scheme):
    rows = templated(400)
    source = write_lines(tmp_path / "in.jsonl", rows)
    with_template = toolkit.dedup(source, tmp_path / "with", common=0.0, workers=1, scheme=scheme)
    assert with_template.ledgers[1].records_out.records < 100
    found = toolkit.dedup(source, tmp_path / "out", common=0.2, workers=2, scheme=scheme)
    removed = [row["removed_origin"]["line"] - 1 for row in found.evidence.to_pylist()]
    assert len(removed) == 39 and all(line % 10 == 0 for line in removed)
    by_default = toolkit.dedup(source, tmp_path / "default", workers=1, scheme=scheme)
    assert by_default.facts["common"][0]["texts"] == 400
    assert found.facts["common"][0]["common_shingles"] > 100
    for row in found.evidence.to_pylist():
        detail = json.loads(row["detail"])
        assert row["score"] == detail["intersection"] / detail["union"] >= 0.8
        assert min(detail["common_left_out"]) > 100


def test_new_chats_against_old_ones_of_the_same_template(tmp_path):
    rows = templated(600)
    old, new = (
        write_lines(tmp_path / "old.jsonl", rows[:300]),
        write_lines(tmp_path / "new.jsonl", rows[300:]),
    )
    options = {"common": 0.2, "recall": 0.9999, "workers": 1}
    toolkit.dedup(old, tmp_path / "first", **options)
    toolkit.dedup(new, tmp_path / "second", against=tmp_path / "first", **options)
    toolkit.dedup([old, new], tmp_path / "both", **options)
    assert lines_in(tmp_path / "first") + lines_in(tmp_path / "second") == lines_in(tmp_path / "both")
    assert len(lines_in(tmp_path / "second")) == 270
