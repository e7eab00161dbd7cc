"""The whole pipeline on real files: grade-school maths twice, preference pairs, seed instructions.

The files lie beside the repository and are not part of it; without them these tests are skipped.
Every expectation is worked out from the raw lines again. Some counts are of the data itself, so a
test fails too if the files are not the ones it was written for.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from judge import (
    EvalSets,
    Lake,
    check_decontamination,
    check_dedup_evidence,
    check_every_line_is_in_one_place,
    check_gold,
    check_silver_says_what_the_lines_say,
    layout,
)
from tokenizers import Tokenizer

import toolkit
from toolkit.packing import from_vocab

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = {
    "train.jsonl": "gsm8k/train.jsonl",
    "test.jsonl": "gsm8k/test.jsonl",
    "pairs.jsonl.gz": "hh_rlhf/harmless-base-test.jsonl.gz",
    "seeds.jsonl": "self_instruct/seed_tasks.jsonl",
    "HumanEval.jsonl.gz": "humaneval/HumanEval.jsonl.gz",
    "vocab.json": "gpt2/vocab.json",
    "merges.txt": "gpt2/merges.txt",
}
MISSING = [name for name in FILES.values() if not (DATA / name).is_file()]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} below {DATA}")

LINES = {"maths": 7473, "maths-rl": 7473, "pairs": 2312, "seeds": 175}
REGIMES = {"maths": "sft", "maths-rl": "rl", "pairs": "preference", "seeds": "sft"}
EVALUATION = [("gsm8k", "test.jsonl", ["question"]), ("humaneval", "HumanEval.jsonl.gz", ["prompt"])]
SPEC = """
[lake]
path = "{lake}"
logical_date = "2026-11-22"

[[source]]
id = "maths"
type = "public_dataset"
path = "train.jsonl"
license = "mit"
regime = "sft"

[[source]]
id = "maths-rl"
type = "public_dataset"
path = "train.jsonl"
license = "mit"
regime = "rl"

[[source]]
id = "pairs"
type = "human_annotation"
path = "pairs.jsonl.gz"
license = "mit"
regime = "preference"

[[source]]
id = "seeds"
type = "human_annotation"
path = "seeds.jsonl"
license = "apache-2.0"
regime = "sft"

[dedup]
threshold = 0.8
shingle = "word:5"

[decontaminate]
ngram = 13

[[decontaminate.set]]
id = "gsm8k"
path = "test.jsonl"
fields = ["question"]

[[decontaminate.set]]
id = "humaneval"
path = "HumanEval.jsonl.gz"
fields = ["prompt"]

[packing]
context = 2048
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files under short names, as links, and the lake made of them."""
    base = tmp_path_factory.mktemp("real")
    for name, target in FILES.items():
        (base / name).symlink_to(DATA / target)
    (base / "spec.toml").write_text(SPEC.format(lake="lake"), encoding="utf-8")
    toolkit.run(base / "spec.toml", workers=2)
    return base


@pytest.fixture(scope="module")
def lake(folder: Path) -> Lake:
    return Lake(folder / "lake", folder, REGIMES)


@pytest.fixture(scope="module")
def gpt2(folder: Path, lake: Lake) -> Lake:
    """A copy of the lake, run again with a real vocabulary of 50,257 tokens."""
    (folder / "gpt2.json").write_bytes(from_vocab(folder / "vocab.json", folder / "merges.txt"))
    shutil.copytree(lake.folder, folder / "gpt2")
    spec = SPEC.format(lake="gpt2") + 'tokenizer = "gpt2.json"\n'
    (folder / "gpt2.toml").write_text(spec, encoding="utf-8")
    toolkit.run(folder / "gpt2.toml", workers=2)
    return Lake(folder / "gpt2", folder, REGIMES)


def test_every_input_line_is_in_exactly_one_place(lake):
    check_every_line_is_in_one_place(lake)
    assert Counter(source for source, _, _ in lake.raw) == LINES


def test_the_audit_agrees(lake):
    assert toolkit.audit(lake.folder).ok


def test_nothing_real_is_quarantined(lake):
    assert lake.quarantine == []


def test_what_survives_says_what_its_line_said(lake):
    check_silver_says_what_the_lines_say(lake)


def test_all_2312_pairs_are_in_gold_one_whole_pair_a_row(lake):
    ends = [places for key, places in lake.places().items() if key[0] == "pairs"]
    table = lake.gold("preference")
    assert ends == [["gold"]] * 2312 and table.num_rows == 2312
    assert all(table[name].null_count == 0 for name in table.schema.names)


def test_a_final_answer_is_extracted_from_every_maths_problem(lake):
    finals = [re.search(r"#### *(\S+)\s*$", json.loads(line)["answer"]) for line in raw_maths(lake)]
    rows = {key: row for key, row in lake.silver.items() if key[0].startswith("maths")}
    gone = [key for _, key, _ in lake.evidence if key[0].startswith("maths")]
    assert len(finals) == 7473 and None not in finals and len(rows) + len(gone) == 2 * 7473
    assert {key: row["answer"] for key, row in rows.items()} == {k: finals[k[2] - 1][1] for k in rows}


def raw_maths(lake: Lake) -> list[bytes]:
    return (lake.base / "train.jsonl").read_bytes().splitlines()


def test_every_rl_prompt_has_a_verifier_that_says_how_to_compare(lake):
    verifiers = lake.gold("rl")["verifier"].to_pylist()
    assert {row["kind"] for row in verifiers} == {"exact_match"}
    assert {json.loads(row["spec"])["compare"] for row in verifiers} == {"number"}


def test_what_shares_thirteen_words_with_an_evaluation_item_went_and_nothing_else(lake):
    found = check_decontamination(lake, EvalSets(lake.base, EVALUATION))
    assert Counter(source for source, _, _ in found) == {"maths": 4, "maths-rl": 4}


def test_every_removal_as_a_duplicate_follows_from_the_texts(lake):
    check_dedup_evidence(lake, (4, 5))
    assert {stage for stage, _, _ in lake.evidence} <= {"decontaminate", "dedup"}


def test_gold_spells_the_lines_and_trains_the_assistant_alone(lake):
    check_gold_whole(lake, context=2048)


def test_gold_in_the_vocabulary_of_gpt2_does_so_too(gpt2):
    check_gold_whole(gpt2, context=2048)
    assert toolkit.audit(gpt2.folder).ok


def check_gold_whole(lake: Lake, context: int) -> None:
    """Every record of gold was compared with its line, and there were as many as silver holds."""
    silver = Counter(row["regime"] for row in lake.silver.values())
    silver.subtract(row["regime"] for s, _, row in lake.evidence if s == "packing")
    silver["preference"] *= 2
    assert check_gold(lake, context) == silver


def test_the_vocabulary_given_is_the_one_used_plus_three_control_tokens(gpt2):
    given, used = (
        json.loads(p.read_bytes()) for p in (gpt2.base / "gpt2.json", gpt2.folder / "tokenizer.json")
    )
    assert used["model"]["vocab"] == given["model"]["vocab"] and len(used["model"]["vocab"]) == 50257
    added = {token["content"] for token in used["added_tokens"]}
    assert added == {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}


def test_a_tokenizer_changes_nothing_before_gold(lake, gpt2):
    assert gpt2.silver == lake.silver and gpt2.evidence == lake.evidence


@pytest.mark.parametrize("name", ["lake", "gpt2"])
def test_the_tokenizers_library_decodes_every_pair_to_its_transcripts(name, request):
    lake = request.getfixturevalue(name)
    table, tokenizer = lake.gold("preference"), Tokenizer.from_file(str(lake.folder / "tokenizer.json"))
    with gzip.open(lake.base / "pairs.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    lines = {row["id"]: rows[key[2] - 1] for key, row in lake.silver.items() if key[0] == "pairs"}
    for branch in ("chosen", "rejected"):
        ids = table[f"{branch}_input_ids"].to_pylist()
        texts = [tokenizer.decode(one, skip_special_tokens=False) for one in ids]
        wanted = [chatml(lines[name][branch]) for name in table["id"].to_pylist()]
        assert texts == wanted


def chatml(transcript: str) -> str:
    """A transcript with each of its markers replaced, and nothing else touched."""
    marks = {"Human": "user", "Assistant": "assistant"}
    text = re.sub(
        r"\n\n(Human|Assistant): ?", lambda m: f"<|im_end|>\n<|im_start|>{marks[m[1]]}\n", transcript
    )
    return text.removeprefix("<|im_end|>\n") + "<|im_end|>\n"


def test_the_tokenizers_library_decodes_every_maths_problem(lake):
    tokenizer = Tokenizer.from_file(str(lake.folder / "tokenizer.json"))
    rows = lake.gold("sft").select(["input_ids", "seq_lens", "doc_ids"]).to_pylist()
    wanted = {
        row["id"]: layout(lake.said(key).prompt).data.decode()
        for key, row in lake.silver.items()
        if row["regime"] == "sft"
    }
    texts = [tokenizer.decode(row["input_ids"], skip_special_tokens=False) for row in rows]
    assert texts == ["".join(wanted[name] for name in row["doc_ids"]) for row in rows]
