"""What dedup finds in real data: grade-school maths, preference pairs, seed instructions.

The files lie beside the repository and are not part of it. Samples are short, and of the preference
pairs, which are about refusing harm, only the places are shown.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import launch

DATA = launch.REPO.parent / "shared" / "data"
SAMPLES, SHOWN = 2, 90
Row = dict[str, Any]

# name: file, the field that is compared, the file of an earlier dedup that it is held against, shown
SETS = {
    "GSM8K train, questions": ("gsm8k/train.jsonl", "question", None, True),
    "GSM8K train, answers": ("gsm8k/train.jsonl", "answer", None, True),
    "GSM8K test against train, questions": ("gsm8k/test.jsonl", "question", "gsm8k/train.jsonl", True),
    "HH harmless, whole pairs": ("hh_rlhf/harmless-base-test.jsonl.gz", None, None, False),
    "HH harmless, chosen": ("hh_rlhf/harmless-base-test.jsonl.gz", "chosen", None, False),
    "seed tasks, instructions": ("self_instruct/seed_tasks.jsonl", "instruction", None, True),
}
SETTINGS = (("word:5", 0.8), ("word:5", 0.6), ("byte:24", 0.8), ("byte:24", 0.6))


def real() -> list[Row]:
    """One row a set and setting; none where the data is not there."""
    if not DATA.is_dir():
        raise SystemExit(f"no real data at {DATA}: see the README beside it.")
    return [_find(name, *how, *setting) for name, how in SETS.items() for setting in SETTINGS]


def _find(
    name: str, file: str, text: str | None, old: str | None, shown: bool, shingle: str, threshold: float
) -> Row:
    import toolkit

    with tempfile.TemporaryDirectory() as folder:
        settings = {"text": text, "shingle": shingle, "threshold": threshold, "workers": 1}
        against = []
        if old is not None:
            against.append(Path(folder) / "old")
            toolkit.dedup(DATA / old, against[0], **settings)
        found = toolkit.dedup(DATA / file, Path(folder) / "new", against=against, **settings)
        evidence = found.evidence.to_pylist()
    gone = {method: [row for row in evidence if row["method"] == method] for method in ("exact", "near")}
    return {
        "set": name,
        "shingle": shingle,
        "threshold": threshold,
        "records": found.ledgers[1].records_in.records,
        "exact": len(gone["exact"]),
        "only_normalised": found.facts["copies_after_normalising"],
        "near": len(gone["near"]),
        "chains_would_remove": found.facts["texts_components_would_remove"],
        "candidates": found.facts["candidate_pairs"],
        "samples": [_sample(row, text, shown) for row in gone["near"][:SAMPLES]],
    }


def _sample(row: Row, text: str | None, shown: bool) -> Row:
    places = [row["removed_origin"], row["kept_origin"]]
    sample = {
        "score": row["score"],
        "gone": f"{Path(places[0]['path']).name}:{places[0]['line']}",
        "kept": f"{Path(places[1]['path']).name}:{places[1]['line']}",
    }
    if shown and text is not None:
        gone, kept = (_line(place)[text] for place in places)
        at = next((i for i, (a, b) in enumerate(zip(gone, kept, strict=False)) if a != b), 0)
        first = max(0, at - SHOWN // 3)
        sample |= {"gone_says": gone[first : first + SHOWN], "kept_says": kept[first : first + SHOWN]}
    return sample


def _line(place: Row) -> Row:
    path = Path(place["path"])
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    return json.loads(lines[place["line"] - 1])


def table(rows: list[Row]) -> str:
    """The counts, and samples of what was found near."""
    lines = [("set", "shingle", "threshold", "records", "exact", "equal only when normalised", "near",
              "chains would remove")]  # fmt: skip
    lines += [
        (row["set"], row["shingle"], str(row["threshold"]), f"{row['records']:,}", str(row["exact"]),
         str(row["only_normalised"]), str(row["near"]), str(row["chains_would_remove"]))
        for row in rows
    ]  # fmt: skip
    told = [("similarity", "goes", "stays", "goes, where they differ", "stays")]
    for row in rows:
        for one in row["samples"]:
            said = (f"… {one[name]} …" if name in one else "" for name in ("gone_says", "kept_says"))
            told.append((f"{one['score']:.3f}", one["gone"], one["kept"], *map(_cell, said)))
    return launch.markdown(lines) + "\n\n" + launch.markdown(list(dict.fromkeys(told)))


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
