import gzip
import json
import re
from pathlib import Path

import pytest

from records.test_messages import back
from toolkit.records import canonical, decode_payload

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real files are not at {DATA}")


def payloads(name):
    data = (DATA / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).splitlines()


def records(name, regime):
    return [canonical(decode_payload(line), regime) for line in payloads(name)]


@pytest.fixture(scope="module")
def pairs():
    found = records("hh_rlhf/harmless-base-test.jsonl.gz", "auto")
    return list(zip(payloads("hh_rlhf/harmless-base-test.jsonl.gz"), found, strict=True))


def test_every_gsm8k_answer_is_what_an_independent_pattern_finds():
    raw = (DATA / "gsm8k/train.jsonl").read_text()
    finals = re.findall(r'#### ([^"\\]+)"\}$', raw, re.MULTILINE)
    assert [record["answer"] for record in records("gsm8k/train.jsonl", "rl")] == finals


def test_all_of_gsm8k_is_read():
    assert len(records("gsm8k/train.jsonl", "sft")) == 7473


def test_every_gsm8k_answer_is_compared_as_a_number():
    assert {record["verifier"]["spec"] for record in records("gsm8k/train.jsonl", "rl")} == {
        '{"compare":"number"}'
    }


def test_all_pairs_are_read(pairs):
    assert len(pairs) == 2312


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_every_pair_joins_to_its_transcripts(pairs, side):
    def tidy(text):
        return re.sub(r"(\n\n(?:Human|Assistant):)(?! )", r"\1 ", text)

    wrong = [
        line
        for line, record in pairs
        if back(record["prompt"] + record[side]) != tidy(json.loads(line)[side])
    ]
    assert wrong == []


def test_every_pair_is_answered_by_the_assistant(pairs):
    assert {record[side][0]["role"] for _, record in pairs for side in ("chosen", "rejected")} == {
        "assistant"
    }


def test_all_seed_tasks_are_read():
    assert len(records("self_instruct/seed_tasks.jsonl", "auto")) == 175


def test_a_seed_task_has_two_turns_for_each_instance():
    lines = [json.loads(line) for line in payloads("self_instruct/seed_tasks.jsonl")]
    found = [len(record["messages"]) for record in records("self_instruct/seed_tasks.jsonl", "sft")]
    assert found == [2 * len(line["instances"]) for line in lines]


def test_all_humaneval_problems_have_a_unit_test():
    kinds = [record["verifier"]["kind"] for record in records("humaneval/HumanEval.jsonl.gz", "auto")]
    assert kinds == ["unit_test"] * 164
