"""Small gold folders without a tokenizer: random documents, packed by hand, with their manifests."""

import numpy as np
import pyarrow as pa

from toolkit.packing.gold.gold import GOLD_PREFERENCE, GOLD_RL, GOLD_SFT
from toolkit.storage import Output, PartManifest, write_parquet

METADATA = {"tokenizer_sha256": "a" * 64, "context": "64", "packing": "{}"}
VOCAB = 50


def random_document(rng, name, longest=20):
    tokens = int(rng.integers(1, longest))
    ids, mask = rng.integers(0, VOCAB, tokens).tolist(), rng.random(tokens) < 0.6
    return {"name": name, "ids": ids, "mask": mask.tolist()}


def pack_row(documents):
    """One gold row of some documents, written out in the plainest way."""
    lens = [len(d["ids"]) for d in documents]
    return {
        "input_ids": [i for d in documents for i in d["ids"]],
        "loss_mask": [m for d in documents for m in d["mask"]],
        "seq_lens": lens,
        "doc_ids": [d["name"] for d in documents],
        "doc_starts": [sum(lens[:i]) for i in range(len(lens))],
    }


def random_packs(count, seed=0, most=4):
    """Packs as lists of documents; every token sequence is told apart by its names."""
    rng = np.random.default_rng(seed)
    return [
        [random_document(rng, f"p{p}d{d}") for d in range(int(rng.integers(1, most + 1)))]
        for p in range(count)
    ]


def write_part(folder, number, rows, schema=GOLD_SFT, metadata=METADATA):
    path = folder / f"part-{number:05d}.parquet"
    write_parquet(path, pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata(metadata))
    # A manifest names files as they lie in the lake: lake/gold/<regime>/part-...
    output = Output.of(folder.parent.parent, path, len(rows))
    PartManifest(f"gold {number}", "key", [output]).write(folder / f"part-{number:05d}.manifest.json")
    return path


def write_gold(folder, packs, rows_a_part=3):
    """Write packs (lists of documents) as ``folder``, which must be two below a root."""
    for number, start in enumerate(range(0, len(packs), rows_a_part)):
        write_part(folder, number, [pack_row(p) for p in packs[start : start + rows_a_part]])
    return folder


def random_pairs(count, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        prompt = random_document(rng, "prompt")["ids"]
        sides = {side: random_document(rng, side)["ids"] for side in ("chosen", "rejected")}
        row = {"id": f"r{i}", "prompt_tokens": len(prompt)}
        for side, answer in sides.items():
            row[f"{side}_input_ids"] = prompt + answer
            row[f"{side}_loss_mask"] = [False] * len(prompt) + [True] * len(answer)
        rows.append(row)
    return rows


def write_pairs(folder, rows, rows_a_part=3):
    for number, start in enumerate(range(0, len(rows), rows_a_part)):
        write_part(folder, number, rows[start : start + rows_a_part], GOLD_PREFERENCE)
    return folder


def write_prompts(folder, count=5):
    rows = [
        {
            "id": f"r{i}",
            "prompt": [{"role": "user", "content": f"{i}+1?"}],
            "input_ids": [i, i + 1],
            "answer": str(i + 1),
            "verifier": {"kind": "exact", "spec": str(i + 1)},
        }
        for i in range(count)
    ]
    write_part(folder, 0, rows, GOLD_RL)
    return folder
