"""What leaked from evaluation sets: in every field, by every policy, on plain files and inside a run."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lakes import tree, words, write_lines

import toolkit
from toolkit.errors import RequestError
from toolkit.pipeline.report.facts import collect
from toolkit.pipeline.stages.plain import parts
from toolkit.storage import Ledger, sha256_file

QUESTION = words("quiz", 15)


def chat(*said):
    roles = ["user", "assistant"] * len(said)
    return [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]


CLEAN = {"messages": chat("hello you", words("clean", 20))}
LATE = {"messages": chat("first", words("fine", 20), f"now {QUESTION}", words("reply", 20))}
EARLY = {"messages": chat(QUESTION, words("more", 20))}
ROWS = [CLEAN, LATE, EARLY, {"messages": chat("what is it", "Seventy-two!")}]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "in.jsonl", ROWS)
    items = [{"question": QUESTION, "answer": "seventy two"}, {"question": words("other", 9), "answer": "?"}]
    write_lines(tmp_path / "eval.jsonl", items)
    return tmp_path


def lines(folder):
    parts = sorted(folder.glob("part-*.jsonl"))
    return [json.loads(line) for path in parts for line in path.read_bytes().splitlines()]


def decontaminate(policy="drop", out="out", **options):
    return toolkit.decontaminate("in.jsonl", "eval.jsonl", out, policy=policy, workers=1, **options)


def test_dropped_rows_are_evidence_and_the_others_keep_their_bytes(world):
    done = decontaminate()
    raw = (world / "in.jsonl").read_bytes().splitlines(keepends=True)
    assert (world / "out" / "part-00000.jsonl").read_bytes() == raw[0]
    rows = done.evidence.to_pylist()
    assert [(row["row"], row["method"], row["score"], row["threshold"]) for row in rows] == [
        (2, "contaminated", 15, 13),
        (3, "contaminated", 15, 13),
        (4, "contaminated", 2, 1),
    ]
    (hit,) = json.loads(rows[0]["detail"])["hits"]
    assert (hit["set"], hit["item"], hit["field"], hit["at"]) == (
        "eval.jsonl",
        0,
        "question",
        "messages[2].content",
    )
    assert hit["coverage"] == 1.0 and hit["span"] == QUESTION


def test_a_flagged_row_stays_and_counts_as_no_removal(world):
    done = decontaminate("flag")
    assert lines(world / "out") == ROWS and done.ledger["removed"] == {}
    assert set(done.evidence["method"].to_pylist()) == {"flagged"}


def test_a_chat_is_cut_before_the_exchange_that_leaks_or_goes_if_nothing_is_left(world):
    done = decontaminate("cut")
    assert lines(world / "out") == [CLEAN, {"messages": LATE["messages"][:2]}]
    assert done.evidence["method"].to_pylist() == ["cut", "contaminated", "contaminated"]
    assert done.ledger["removed"]["cut"]["records"] == 0 < done.ledger["removed"]["cut"]["size"]


@pytest.mark.parametrize("policy", ["drop", "cut", "flag"])
def test_the_books_balance_and_name_what_was_written(world, policy):
    decontaminate(policy)
    books = json.loads((world / "out" / "ledger.json").read_bytes())
    Ledger.from_dict(books["ledger"]).check()
    (part,) = books["parts"]
    assert part["sha256"] == sha256_file(world / "out" / part["path"])
    assert part["rows"] == books["ledger"]["out"]["records"] == len(lines(world / "out"))
    (one,) = books["sets"]
    assert (one["items"], one["texts"], one["not_indexed"]) == (2, 4, 1)
    assert (one["found"], one["records"]) == (1, 3) and one["sha256"] == sha256_file(world / "eval.jsonl")
    assert one["sources"] == {"in.jsonl": {"found": 1, "records": 3}}


@pytest.mark.parametrize("policy", ["drop", "cut", "flag"])
def test_a_table_a_parquet_file_and_lines_lose_the_same_rows(world, policy):
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, "in.parquet", row_group_size=2)
    kept = toolkit.decontaminate("in.jsonl", "eval.jsonl", policy=policy).table["line"].to_pylist()
    same = toolkit.decontaminate(table, "eval.jsonl", policy=policy).table
    assert same.to_pylist() == [json.loads(line) for line in kept] and same.schema == table.schema
    toolkit.decontaminate("in.parquet", "eval.jsonl", "p", policy=policy, workers=1)
    assert pq.read_table("p/part-00000.parquet").equals(same)


def test_the_same_bytes_whatever_the_workers_and_the_parts_are_cut_by_the_input(world, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 500)
    write_lines(
        world / "in.jsonl", [*ROWS, *({"messages": chat(f"q{i}", words(f"w{i}", 9))} for i in range(40))]
    )
    decontaminate(out="one")
    toolkit.decontaminate("in.jsonl", "eval.jsonl", "two", workers=2)
    assert tree(world / "one") == tree(world / "two") and len(list((world / "one").glob("part-*"))) > 3


def test_a_second_call_replaces_what_the_first_wrote_and_nothing_else(world, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 300)
    decontaminate("flag")
    assert len(list((world / "out").glob("part-*"))) > 1
    monkeypatch.setattr(parts, "PART_BYTES", 1 << 20)
    decontaminate()
    assert len(list((world / "out").glob("part-*"))) == 1 and not (world / "out" / ".work").exists()
    (world / "mine").mkdir()
    (world / "mine" / "file").write_text("x")
    with pytest.raises(RequestError, match="is not empty"):
        decontaminate(out="mine")
    with pytest.raises(RequestError, match="holds the input"):
        decontaminate(out=".")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policy": "burn"}, "policy is 'burn'; expected one of drop, cut, flag"),
        ({"ngram": 1}, "ngram is 1; expected 2 to 100"),
        ({"text": "nope"}, "in.jsonl:1: no field 'nope'; it has messages"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(world, options, said):
    with pytest.raises(RequestError, match=said):
        decontaminate(**options)
    assert not (world / "out" / "ledger.json").exists()


def test_lines_that_are_no_records_are_set_aside_and_counted(world):
    raw = (world / "in.jsonl").read_bytes()
    (world / "in.jsonl").write_bytes(b'{"messages": [\n' + raw + b"[1]\n\xff\n")
    done = decontaminate()
    entries = [
        json.loads(line)
        for line in (world / "out/quarantine/texts/part-00000.jsonl").read_bytes().splitlines()
    ]
    places = [(entry["origin"]["line"], entry["reason"]) for entry in entries]
    assert places == [(1, "json.truncated"), (6, "json.not_object"), (7, "utf8.invalid")]
    assert done.evidence["row"].to_pylist() == [3, 4, 5]
    assert sum(group["records"] for group in done.ledger["quarantined"].values()) == 3
    assert "7 rows in, 1 out, 3 removed, 3 lines set aside" in repr(done)
    (world / "in.jsonl").write_bytes(raw)
    decontaminate()
    assert not list((world / "out" / "quarantine").rglob("part-*"))


def test_a_dask_cluster_writes_the_same_bytes(world, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parts, "PART_BYTES", 300)
    decontaminate(out="one")
    toolkit.decontaminate("in.jsonl", "eval.jsonl", "two", cluster="local:2")
    assert tree(world / "one") == tree(world / "two")


def test_the_command_prints_what_the_sets_lost(world):
    command = [sys.executable, "-m", "toolkit", "decontaminate", "in.jsonl", "--against", "eval.jsonl"]
    done = subprocess.run([*command, "--out", "o"], capture_output=True, text=True, check=True)
    assert "4 rows in, 1 out, 3 removed (drop): o" in done.stdout
    done = subprocess.run([*command, "--out", "o", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["sets"][0]["found"] == 1
    failed = subprocess.run(
        [*command, "--out", "o", "--policy", "x"], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 2 and "policy is 'x'" in failed.stderr


def test_a_name_cannot_give_orders_to_the_page(world):
    (world / "<b>.jsonl").write_bytes((world / "eval.jsonl").read_bytes())
    done = toolkit.decontaminate("in.jsonl", "<b>.jsonl")
    assert "<b>" not in done._repr_html_() and "&lt;b&gt;" in done._repr_html_()


# --- inside a run --------------------------------------------------------------------------------

SPEC = """
[lake]
logical_date = "2026-11-22"
[[source]]
id = "a"
type = "synthetic"
path = "in.jsonl"
[[source]]
id = "pairs"
type = "synthetic"
path = "pairs.jsonl"
[decontaminate]
policy = "%s"
[[decontaminate.set]]
id = "quiz"
path = "eval.jsonl"
%s
[packing]
context = 256
vocab_size = 400
"""


def build(world, policy="drop", pin=""):
    write_lines(
        world / "pairs.jsonl",
        [{"prompt": f"a {QUESTION}", "chosen": words("good"), "rejected": words("bad")},
         {"prompt": "plain", "chosen": words("nice"), "rejected": words("worse")}],
    )  # fmt: skip
    (world / "spec.toml").write_text(SPEC % (policy, pin))
    return toolkit.run(world / "spec.toml", workers=1).lake


@pytest.mark.parametrize(
    ("policy", "out", "gone"),
    [("drop", 2, {"contaminated": 4}), ("cut", 3, {"contaminated": 3, "cut": 0}), ("flag", 6, {})],
)
def test_a_run_keeps_its_books_by_every_policy(world, policy, out, gone):
    lake = build(world, policy)
    ledger = next(
        one
        for one in json.loads((lake / "MANIFEST.json").read_bytes())["ledgers"]
        if one["stage"] == "decontaminate"
    )
    assert {name: group["records"] for name, group in ledger["removed"].items()} == gone
    assert ledger["out"]["records"] == out
    found = toolkit.audit(lake)
    assert found.ok, found.problems
    (quiz,) = collect(lake)["leaks"]
    assert (quiz["items"], quiz["hit"], quiz["records"]) == (2, 1, 4)
    assert {name: one["records"] for name, one in quiz["sources"].items()} == {"a": 3, "pairs": 1}
    assert "quiz" in (lake / "report.html").read_text()


def test_what_was_cut_or_flagged_is_told_by_trace_and_checked_by_audit(world):
    lake = build(world, "cut")
    (journey,) = toolkit.trace(lake, "in.jsonl:2").journeys
    assert [hop.layer for hop in journey.hops if hop.layer in ("cut", "silver")] == ["cut", "silver"]
    silver = pq.read_table(lake / "silver" / "a" / "part-00000.parquet").to_pylist()
    (row,) = [row for row in silver if row["origin"]["line"] == 2]
    assert [m["content"] for m in row["messages"]] == ["first", words("fine", 20)]
    assert row["quality"]["words"] == 21 and row["token_estimate"] < 40
    (lake / "evidence" / "cut" / "a" / "part-00000.parquet").unlink()
    assert not toolkit.audit(lake).ok


def test_a_set_that_is_not_what_was_pinned_is_refused_with_both_hashes(world):
    right, wrong = sha256_file(world / "eval.jsonl"), "0" * 64
    build(world, pin=f'sha256 = "{right}"')
    with pytest.raises(RequestError, match=f"'quiz'.*{right}.*{wrong}"):
        build(world, pin=f'sha256 = "{wrong}"')
    with pytest.raises(RequestError, match="expected 64 digits"):
        build(world, pin='sha256 = "abc"')


CALL = [{"type": "function", "function": {"name": "f", "arguments": json.dumps({"q": f"a\n{QUESTION}\nb"})}}]
LEAKS = {
    "system": {"messages": [{"role": "system", "content": QUESTION}, *CLEAN["messages"]]},
    "user": {"messages": chat(f"so: {QUESTION.upper()}", "fine by me")},
    "assistant": {"messages": chat("say it", f"({QUESTION})")},
    "arguments": {"messages": [*chat("q"), {"role": "assistant", "content": None, "tool_calls": CALL}]},
    "function": {"messages": [*chat("q"), {"role": "assistant", "function_call": CALL[0]["function"]}]},
    "tool": {"messages": [*chat("q", "a"), {"role": "tool", "content": QUESTION}, *chat("b", "c")]},
    "chosen": {"prompt": "p", "chosen": QUESTION, "rejected": "no"},
    "rejected": {"prompt": "p", "chosen": "no", "rejected": QUESTION},
    "answer": {"prompt": "p", "answer": QUESTION},
    "verifier": {"prompt": "p", "verifier": {"kind": "unit_test", "spec": {"test": f"a\n{QUESTION}\nb"}}},
    "expected": {"prompt": "p", "answer": "x", "verifier": {"kind": "exact_match", "spec": {"a": QUESTION}}},
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_in_any_field_is_found(world, name):
    write_lines(world / "in.jsonl", [LEAKS[name], CLEAN])
    lake = build(world)
    proof = pq.read_table(lake / "evidence" / "decontaminate" / "a" / "part-00000.parquet").to_pylist()
    assert [row["removed_origin"]["line"] for row in proof] == [1]
    done = toolkit.decontaminate("in.jsonl", "eval.jsonl")
    assert done.evidence["row"].to_pylist() == [1]


def test_no_span_is_made_of_two_messages(world):
    half = QUESTION.split()
    write_lines(world / "in.jsonl", [{"messages": chat(" ".join(half[:8]), " ".join(half[8:]))}, CLEAN])
    assert not len(toolkit.decontaminate("in.jsonl", "eval.jsonl").evidence)
