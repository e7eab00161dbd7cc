"""Gold against silver, document by document: what the ids spell, and what of it is trained.

    decode(ids) = the template's text by Jinja alone        decode(trained ids) = what the assistant said

for every record of messy dumps of all archetypes, under GPT-2's vocabulary and under one that was trained on
them. What should be trained is written out here from the messages, for ChatML, and shares no code with the
encoder. Nothing is sampled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Row = dict[str, Any]
STOP = "<|im_end|>"


def truth(records: int, tokenizer: Path | None) -> list[Row]:
    """One row a vocabulary: documents by regime, tokens, and how many are not what they should be."""
    import toolkit

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        dumps = Path(folder) / "dumps"
        toolkit.synth(dumps, records=records)
        plain = (dumps / "spec.toml").read_text()
        for name, given in (("trained on silver", None), ("given", tokenizer)):
            if name == "given" and given is None:
                continue
            lake = Path(folder) / name.split()[0]
            spec = dumps / "packed.toml"
            spec.write_text(_with(plain, lake, given))
            subprocess.run([sys.executable, "-m", "toolkit", "run", str(spec), "-q"], check=True)
            rows.append({"vocabulary": given.name if given else name} | _compared(lake))
    return rows


def _with(spec: str, lake: Path, tokenizer: Path | None) -> str:
    lines, table = [], ""
    for line in spec.splitlines():
        table = line.strip() if line.startswith("[") else table
        if table == "[lake]" and line.startswith("path"):
            line = f"path = {json.dumps(str(lake))}"
        if table != "[packing]":
            lines.append(line)
    more = ["[packing]", "context = 4096"]
    more += [f"tokenizer = {json.dumps(str(tokenizer.resolve()))}"] if tokenizer else []
    return "\n".join([*lines, *more]) + "\n"


def _compared(lake: Path) -> Row:
    from toolkit.packing import Template, documents, load
    from toolkit.storage import read_json

    facts = read_json(lake / "chat_template.json")
    template = Template(**facts | {"control": tuple(facts["control"])})
    pinned = load(lake / "tokenizer.json", template.tokens, template.pad)
    wanted = dict(_wanted(lake, template))
    row: Row = {"documents": 0, "tokens": 0, "text_differs": 0, "trained_differs": 0, "regimes": {}}
    for path in sorted((lake / "gold").rglob("*.parquet")):
        for name, ids, mask in documents(pq.read_table(path)):
            text, trained = wanted.pop(name)
            row["documents"] += 1
            row["tokens"] += len(ids)
            row["text_differs"] += pinned.decode(ids.tolist()) != text
            row["trained_differs"] += pinned.decode(ids[mask].tolist()) != trained
            regime = path.parent.name
            row["regimes"][regime] = row["regimes"].get(regime, 0) + 1
    gone = {
        name
        for path in (lake / "evidence" / "packing").rglob("*.parquet")
        for name in pq.read_table(path, columns=["removed_id"])["removed_id"].to_pylist()
    }
    row["removed_with_evidence"] = len(gone)
    row["missing"] = sum(name.partition(":")[0] not in gone for name in wanted)
    return row


def _wanted(lake: Path, template: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    from toolkit.packing.chat.renderer import render
    from toolkit.packing.chat.turns import views

    def text(messages: Sequence[Mapping[str, Any]], generation: bool = False) -> str:
        return render(template, views(list(messages)), generation=generation)

    for path in sorted((lake / "silver").rglob("*.parquet")):
        columns = ["id", "regime", "messages", "prompt", "chosen", "rejected"]
        for record in pq.read_table(path, columns=columns).to_pylist():
            if record["regime"] == "sft":
                yield record["id"], (text(record["messages"]), _said(record["messages"]))
            elif record["regime"] == "rl":
                yield record["id"], (text(record["prompt"], True), "")
            else:
                for side in ("chosen", "rejected"):
                    whole = text([*record["prompt"], *record[side]])
                    yield f"{record['id']}:{side}", (whole, _said(record[side]))


def _said(messages: Sequence[Mapping[str, Any]]) -> str:
    out = ""
    for message in messages:
        if message["role"] == "assistant":
            content, calls = message["content"] or "", message["tool_calls"]
            between = "\n" if content and calls else ""
            called = f"{between}<tool_call>\n{calls}\n</tool_call>" if calls else ""
            out += content + called + STOP
    return out


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    names = ("documents", "tokens", "text_differs", "trained_differs", "missing", "removed_with_evidence")
    head = " | ".join(name.replace("_", " ") for name in names)
    lines = [f"| vocabulary | {head} |", "| --- |" + " ---: |" * len(names)]
    for row in rows:
        lines.append(f"| {row['vocabulary']} | " + " | ".join(f"{row[name]:,}" for name in names) + " |")
    return "\n".join(lines)
