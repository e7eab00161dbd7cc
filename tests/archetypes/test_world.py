"""The dump looks like the world: archetypes, regimes, shapes, mess, and statistics of language."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.archetypes.draws import Draws, base_of, block, mix
from toolkit.archetypes.language import lexicon
from toolkit.archetypes.prose import LINE, texts

from .dump import lines, raw, said, strings, training_files, truth, turns


@pytest.fixture(scope="module")
def sound(out: Path) -> dict[str, list[dict[str, Any]]]:
    broken = {(row["path"], row["line"]) for row in truth(out) if row["kind"] in ("malformed", "renamed")}
    return {
        path.relative_to(out).as_posix(): [
            json.loads(line)
            for number, line in enumerate(lines(path), 1)
            if line and (path.relative_to(out).as_posix(), number) not in broken
        ]
        for path in training_files(out)
    }


def everything(sound: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for name, found in sound.items() if "tasks" not in name for row in found]


def test_every_archetype_has_its_mark(sound):
    marks = {
        "annotation/sft-v1.jsonl": ("spec_version", "agreement"),
        "annotation/sft-v2.jsonl.zst": ("spec_version", "annotators"),
        "synthetic/distilled.jsonl.zst": ("generator_model", "license"),
        "production/chats-2026-03-01.jsonl": ("thumbs", "user"),
        "web/pages-000.jsonl": ("url", "title"),
    }
    for name, keys in marks.items():
        have = sum(all(key in row for key in keys) for row in sound[name])
        assert have > 0.9 * len(sound[name]), name  # the rest are duplicates from other files


def test_every_shape_is_there(sound):
    keys = {key for row in everything(sound) for key in row}
    wanted = (
        "messages conversations instances instruction output completion response question chosen rejected "
        "ground_truth answer verifier difficulty canonical_solution entry_point request reply"
    )
    assert keys >= set(wanted.split())


def test_there_are_single_turns_long_chats_and_tool_calls(sound):
    chats = [row["messages"] for row in everything(sound) if "messages" in row]
    assert {len(chat) for chat in chats} >= {2, 3, 4, 5}
    calls = [m for chat in chats for m in chat if "tool_calls" in m]
    assert len(calls) > 100 and all(json.loads(c["tool_calls"][0]["function"]["arguments"]) for c in calls)
    assert any(m["role"] == "tool" and json.loads(m["content"]) for chat in chats for m in chat)


def test_chosen_answers_are_longer_more_often_than_not(sound):
    pairs = [row for row in everything(sound) if "chosen" in row and row["chosen"] != row["rejected"]]
    assert 0.6 < sum(len(row["chosen"]) > len(row["rejected"]) for row in pairs) / len(pairs) < 0.95


def test_verifiers_come_as_names_and_as_structures_with_difficulty(sound):
    rows = [row for row in everything(sound) if "verifier" in row]
    assert {type(row["verifier"]) for row in rows} == {str, dict}
    assert all(0 <= row["difficulty"] < 1 and len(row["prompt"]) >= 20 for row in rows)


def test_production_text_holds_personal_data(sound):
    chats = [said(row) for row in sound["production/chats-2026-03-01.jsonl"]]
    personal = re.compile(r"[\w.]+@example\.(com|org|net)|\+1 \d{3} 555")
    assert sum(bool(personal.search(chat)) for chat in chats) > 0.05 * len(chats)


def test_web_pages_hold_tags_entities_and_scripts(sound):
    pages = [row["answer"] for row in sound["web/pages-000.jsonl"]]
    assert all("</p>" in page for page in pages)
    assert any("<script>" in page for page in pages) and any("&nbsp;" in page for page in pages)


def test_the_mess_that_is_not_malformed_is_there(out: Path):
    assert raw(out / "public/sharegpt.jsonl").startswith(b"\xef\xbb\xbf")
    assert raw(out / "public/helpful.jsonl").count(b"\r\n") == raw(out / "public/helpful.jsonl").count(b"\n")
    assert not raw(out / "synthetic/self_instruct.jsonl").endswith(b"\n")
    assert any(b"" in lines(path) for path in training_files(out))


@pytest.mark.parametrize("script", ["LATIN", "CYRILLIC", "GREEK", "ARABIC", "DEVANAGARI", "CJK", "HIRAGANA"])
def test_every_script_is_there(sound, script):
    import unicodedata

    seen = Counter(
        unicodedata.name(c, "").split(" ")[0]
        for row in sound["annotation/sft-v1.jsonl"]
        for text in strings(row)
        for c in set(text)
    )
    assert any(name.startswith(script) for name in seen), seen


def test_there_are_emoji_and_code_that_parses(sound):
    import ast

    all_text = [text for row in everything(sound) for text in strings(row)]
    assert any("🚀" in text for text in all_text)
    blocks = [b for text in all_text[:20000] for b in re.findall(r"```python\n(.*?)```", text, re.S)]
    assert len(blocks) > 50
    parsed = 0
    for code in blocks:
        try:
            ast.parse(code)
            parsed += 1
        except SyntaxError:
            pass  # a near-duplicate or a leak in the middle of a block
    assert parsed > 0.9 * len(blocks)


def test_word_frequencies_follow_zipfs_law():
    n = 3000
    langs, words, styles = np.zeros(n, np.uint8), np.full(n, 200, np.int32), np.full(n, LINE, np.uint8)
    found = Counter(re.findall(r"[a-z]+", " ".join(texts(lexicon(), 1, langs, words, styles)).lower()))
    counts = np.array(sorted(found.values(), reverse=True))[9:1000]
    slope = np.polyfit(np.log(np.arange(10, 10 + len(counts))), np.log(counts), 1)[0]
    assert -1.15 < slope < -0.8, slope
    assert len(found) > 5000


def test_the_first_line_of_each_evaluation_set_has_its_keys(out: Path):
    first = {
        name: json.loads(lines(out / "eval" / f"{name}.jsonl")[0]) for name in ("maths", "code", "general")
    }
    assert set(first["maths"]) == {"question", "answer"} and "####" in first["maths"]["answer"]
    assert set(first["code"]) == {"task_id", "prompt", "canonical_solution", "test", "entry_point"}
    assert all(
        15 <= len(json.loads(line)["question"].split()) <= 61 for line in lines(out / "eval/maths.jsonl")
    )


def test_numpy_and_python_draw_the_same_numbers():
    base = base_of(7, "a", 3)
    draws = Draws(base)
    assert block(base, 5).tolist() == [draws.next() for _ in range(5)]
    assert mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # SplitMix64's first output for seed 0


def test_a_text_depends_on_its_own_number_alone():
    words = np.array([50, 0, 80, 5], np.int32)
    langs, styles = np.array([0, 3, 7, 5], np.uint8), np.array([0, 1, 3, 4], np.uint8)
    whole = texts(lexicon(), 9, langs, words, styles)
    assert whole[:2] == texts(lexicon(), 9, langs[:2], words[:2], styles[:2]) and whole[1] == ""
    assert texts(lexicon(), 9, langs[:0], words[:0], styles[:0]) == []


def test_turns_of_a_chat_start_with_a_user_or_a_system(sound):
    firsts = {turns(row)[0][0] for row in sound["production/chats-2026-03-01.jsonl"]}
    assert firsts == {"user", "system"}
