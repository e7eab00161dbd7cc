"""Every row of truth.parquet, checked by reading the dump again with the standard library."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from toolkit.archetypes.malformed import CODES

from .dump import (
    jaccard,
    lines,
    raw,
    record,
    said,
    shingles,
    strings,
    training_files,
    truth,
    turns,
)


@pytest.fixture(scope="module")
def rows(out: Path) -> dict[str, list[dict[str, Any]]]:
    by_kind = defaultdict(list)
    for row in truth(out):
        by_kind[row["kind"]].append(row)
    return by_kind


def pair(out: Path, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return record(out / row["path"], row["line"]), record(out / row["other_path"], row["other_line"])


def test_the_shares_are_as_promised(dump, rows):
    counts = {kind: len(found) for kind, found in rows.items()}
    assert counts == dump.planted
    assert 110 <= counts["exact_duplicate"] <= 120 and 225 <= counts["near_duplicate"] <= 240
    assert counts["templated"] == 120 and counts["leak"] == 30 and counts["malformed"] == 60
    assert counts["delivered_twice"] == 1 and counts["denied_generator"] == 36 and counts["tie"] == 20


def test_no_line_is_planted_twice_and_no_original_is_itself_planted(rows):
    planted = Counter((r["path"], r["line"]) for found in rows.values() for r in found if r["line"])
    originals = {
        (r["other_path"], r["other_line"]) for found in rows.values() for r in found if r["other_line"]
    }
    assert max(planted.values()) == 1
    assert not originals & set(planted)


def test_exact_duplicates_say_the_same_and_some_are_the_same_bytes(out, rows):
    same = 0
    for row in rows["exact_duplicate"]:
        a, b = pair(out, row)
        assert said(a).split() == said(b).split(), row
        same += (
            lines(out / row["path"])[row["line"] - 1] == lines(out / row["other_path"])[row["other_line"] - 1]
        )
    assert 0.3 < same / len(rows["exact_duplicate"]) < 0.7
    assert any(
        row["path"].split("/")[0] != row["other_path"].split("/")[0] for row in rows["exact_duplicate"]
    )


def test_near_duplicates_differ_and_come_from_long_enough_texts(out, rows):
    for row in rows["near_duplicate"]:
        a, b = pair(out, row)
        assert said(a) != said(b) and len(said(b).split()) >= 60, row
        assert jaccard(said(a), said(b)) > 0.45, row
        assert 0.003 < row["edit_rate"] <= 0.085, row


def test_similarity_falls_as_the_edit_rate_rises(out, rows):
    for edit in ("substitute", "delete", "punctuation"):
        low, high = [], []
        for row in rows["near_duplicate"]:
            if row["edit"] == edit:
                (low if row["edit_rate"] < 0.015 else high if row["edit_rate"] > 0.028 else []).append(
                    jaccard(*map(said, pair(out, row)))
                )
        assert statistics.mean(low) > statistics.mean(high) + 0.1, (edit, low, high)


def test_similarities_of_near_duplicates_lie_on_both_sides_of_the_threshold(out, rows):
    measured = [jaccard(*map(said, pair(out, row))) for row in rows["near_duplicate"]]
    assert (
        min(measured) < 0.65
        and sum(j < 0.8 for j in measured) > 20
        and sum(0.8 <= j < 1 for j in measured) > 80
    )


def test_every_kind_of_edit_and_every_regime_has_near_duplicates(out, rows):
    assert len({row["edit"] for row in rows["near_duplicate"]}) == 7
    shapes = {
        "chosen" if "chosen" in pair(out, r)[0] else r["path"].split("/")[0] for r in rows["near_duplicate"]
    }
    assert {"chosen", "public", "web", "production"} <= shapes


def test_both_branches_of_a_near_duplicate_pair_are_edited(out, rows):
    for row in rows["near_duplicate"]:
        a, b = pair(out, row)
        if "chosen" in a and row["edit"] == "substitute":
            assert a["chosen"] != b["chosen"] and a["rejected"] != b["rejected"]


def test_a_leak_is_a_run_of_the_items_words_in_the_line(out, rows):
    for row in rows["leak"]:
        item = json.loads(lines(out / "eval" / f"{row['set']}.jsonl")[row["item"]])
        words = item.get("question", item.get("prompt")).lower().split()
        text = " ".join(" ".join(strings(record(out / row["path"], row["line"]))).lower().split())
        n = row["words"]
        spans = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
        assert n >= 13 and any(span in text for span in spans), row


def test_leaks_run_from_thirteen_words_to_whole_items(out, rows):
    sizes = [row["words"] for row in rows["leak"]]
    assert 13 in sizes and max(sizes) > 30
    assert {row["set"] for row in rows["leak"]} == {"maths", "code", "general"}


def test_no_other_line_shares_thirteen_words_with_an_item(out, rows):
    grams = set()
    for name in ("maths", "code", "general"):
        for line in lines(out / "eval" / f"{name}.jsonl"):
            words = strings(json.loads(line))[0 if name != "code" else 1].lower().split()
            grams |= {tuple(words[i : i + 13]) for i in range(len(words) - 12)}
    leaked = {(row["path"], row["line"]) for row in rows["leak"]}
    broken = {(row["path"], row["line"]) for row in rows["malformed"]}
    for path in training_files(out):
        name = path.relative_to(out).as_posix()
        for number, line in enumerate(lines(path), 1):
            if line and (name, number) not in leaked | broken:
                words = " ".join(strings(json.loads(line))).lower().split()
                assert not any(tuple(words[i : i + 13]) in grams for i in range(len(words) - 12)), (
                    name,
                    number,
                )


def test_templated_chats_are_alike_as_transcripts_and_different_in_what_is_said(out, rows):
    groups = defaultdict(list)
    for row in rows["templated"]:
        groups[row["group"]].append(record(out / row["path"], row["line"]))
    assert min(map(len, groups.values())) >= 50
    for chats in groups.values():
        assert len({turns(chat)[0] for chat in chats}) == 1 and len(turns(chats[0])[0][1].split()) >= 150
        whole = [" ".join(text for _, text in turns(chat)) for chat in chats[:20]]
        alike = [jaccard(a, b) for a, b in combinations(whole, 2)]
        assert sum(j > 0.8 for j in alike) > len(alike) / 2
        assert max(jaccard(said(a), said(b)) for a, b in combinations(chats, 2)) < 0.75


def no_constants(name: str) -> None:
    raise ValueError(f"non-finite {name}")


def diagnose(line: bytes) -> str:
    """Name the fault of a line's syntax, slowly and without the toolkit; "" if it parses."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "utf8.invalid"
    if "\x00" in text:
        return "json.nul_byte"
    try:
        value, end = json.JSONDecoder(parse_constant=no_constants).raw_decode(text)
    except json.JSONDecodeError as error:
        ends = "Unterminated" in error.msg or error.pos >= len(text)
        return "json.truncated" if ends else "json.invalid"
    except ValueError:
        return "json.non_finite"
    if text[end:].strip():
        return "json.trailing_garbage"
    if not isinstance(value, dict):
        return "json.not_object"
    if not value:
        return "json.empty_object"
    if max(line.count(b"["), line.count(b'{"a":')) > 64:
        return "json.too_deep"
    return "text.lone_surrogate" if any(has_surrogate(s) for s in strings(value)) else ""


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def test_malformed_lines_are_broken_in_the_way_that_is_stated(out, rows):
    for row in rows["malformed"]:
        line = lines(out / row["path"])[row["line"] - 1]
        expected = "" if row["reason"].startswith("schema.") else row["reason"]
        assert diagnose(line) == expected, (row, line)


def test_lines_of_a_wrong_schema_lack_what_is_stated(out, rows):
    for row in rows["malformed"]:
        code = row["reason"]
        if not code.startswith("schema."):
            continue
        found = record(out / row["path"], row["line"])
        if code == "schema.unrecognised":
            assert set(found) == {"event", "page", "ms", "ok"}
        elif code == "schema.missing_prompt":
            assert "text" not in found["request"] and found["reply"]["text"]
        elif code == "schema.missing_response":
            assert "text" not in found["reply"] and found["request"]["text"]
        elif code == "schema.bad_role":
            assert found["messages"][-1]["role"] not in ("system", "user", "assistant", "tool", "developer")
        elif code == "schema.empty_response":
            assert not turns(found)[-1][1].strip()
        else:
            texts = [text for _, text in turns(found)]
            assert sum(not isinstance(text, str) for text in texts) == 1, row


def test_every_malformed_kind_is_there(rows):
    assert {row["reason"] for row in rows["malformed"]} == set(CODES) and len(CODES) >= 12


def test_every_other_line_parses(out, rows):
    broken = {(row["path"], row["line"]) for row in rows["malformed"]}
    for path in training_files(out):
        name = path.relative_to(out).as_posix()
        for number, line in enumerate(lines(path), 1):
            if (name, number) not in broken:
                assert line == b"" or diagnose(line) == "", (name, number)


def test_the_renamed_field_is_renamed_from_the_middle_on(out, rows):
    path = out / "annotation/tasks.jsonl"
    renamed = {row["line"] for row in rows["renamed"]}
    assert len(renamed) == len(lines(path)) - len(lines(path)) // 2
    for number, line in enumerate(lines(path), 1):
        assert ("query" in json.loads(line)) == (number in renamed) == ("instruction" not in json.loads(line))


def test_the_file_delivered_twice_has_two_names_and_the_same_bytes(out, rows):
    (row,) = rows["delivered_twice"]
    assert row["path"] != row["other_path"] and row["line"] is None
    assert raw(out / row["path"]) == raw(out / row["other_path"])


def test_ties_and_denied_generators_are_where_stated_and_nowhere_else(out, rows):
    broken = {(row["path"], row["line"]) for row in rows["malformed"]}
    ties, denied = set(), set()
    for path in training_files(out):
        name = path.relative_to(out).as_posix()
        for number, line in enumerate(lines(path), 1):
            if line and (name, number) not in broken:
                found = json.loads(line)
                if "chosen" in found and found["chosen"] == found["rejected"]:
                    ties.add((name, number))
                if found.get("generator_model") in ("walled-garden-xl", "no-compete-2-turbo"):
                    denied.add((name, number))
    assert ties == {(row["path"], row["line"]) for row in rows["tie"]}
    assert denied == {(row["path"], row["line"]) for row in rows["denied_generator"]}


def test_nothing_else_resembles_anything_else(out, rows):
    """No pair of unplanted records shares a fifth of its word:5 shingles."""
    aside = {(row["path"], row["line"]) for found in rows.values() for row in found}
    owners: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sets: list[set[tuple[str, ...]]] = []
    for path in training_files(out):
        name = path.relative_to(out).as_posix()
        for number, line in enumerate(lines(path), 1):
            if line and (name, number) not in aside and "retry" not in name:
                sets.append(shingles(said(json.loads(line))))
                for shingle in sets[-1]:
                    owners[shingle].append(len(sets) - 1)
    shared = Counter(two for found in owners.values() if len(found) > 1 for two in combinations(found, 2))
    worst = max(n / min(len(sets[a]), len(sets[b])) for (a, b), n in shared.items())
    assert worst < 0.5, worst
