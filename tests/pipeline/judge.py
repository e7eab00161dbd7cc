"""A second opinion on a lake: its files and the raw files behind it, read with json and pyarrow alone.

Nothing here calls the toolkit. What a line says, how it is rendered, normalised, cut into words
and laid out as ChatML is written again from the documentation, slowly and plainly, so that the
pipeline is held against what it promises and not against itself.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import json
import re
import unicodedata
from collections import Counter, defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Key = tuple[str, str, int]  # source, file, physical line from 1
Turn = tuple[str, str, str | None]  # role, content, tool calls as JSON text


# --- raw files ---------------------------------------------------------------------------------


def contents(path: Path) -> bytes:
    """The decompressed bytes of a file."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return stream.read()
    return {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(path.suffix, bytes)(data)


def written_lines(path: Path) -> dict[int, bytes]:
    """Every line with something on it, by its number: no byte order mark, no line end."""
    data = contents(path).removeprefix(b"\xef\xbb\xbf")
    lines = enumerate(data.split(b"\n"), 1)
    return {number: line.removesuffix(b"\r") for number, line in lines if line.strip(b" \t\r")}


# --- what a line says --------------------------------------------------------------------------


class Said(NamedTuple):
    """What one raw record says, whatever shape it came in."""

    regime: str
    prompt: list[Turn]  # the whole conversation, where the regime is sft
    chosen: list[Turn]
    rejected: list[Turn]
    answer: str | None

    def turns(self) -> list[Turn]:
        return [*self.prompt, *self.chosen, *self.rejected]

    def compared(self) -> str:
        """The text that duplicates are judged on: every turn but the system's, one to a line."""
        return "\n".join(text for role, *texts in self.turns() if role != "system" for text in present(texts))

    def fields(self) -> list[str]:
        """The texts that are searched for evaluation items: every message, and the answer."""
        return [*(t for _, *texts in self.turns() for t in present(texts)), *present([self.answer])]


def present(texts: list[str | None]) -> list[str]:
    return [text for text in texts if text is not None]


ROLES = {"human": "user", "gpt": "assistant"}


def said(row: dict[str, Any], regime: str) -> Said:
    """Read a raw record of any shape these tests meet; ``regime`` is what its source declares."""
    if "chosen" in row:
        return pair(row)
    if "messages" in row or "conversations" in row:
        return Said("sft", [turn(item) for item in row.get("messages") or row["conversations"]], [], [], None)
    if "canonical_solution" in row:
        return Said("rl", [("user", row["prompt"], None)], [], [], row["canonical_solution"])
    if "verifier" in row:
        return Said("rl", [("user", row["prompt"], None)], [], [], row.get("answer", row.get("ground_truth")))
    if "instances" in row:
        asked = [(asking(row["instruction"], one["input"]), one["output"]) for one in row["instances"]]
        return chat(*asked)
    if "question" in row:
        final = row["answer"].split("####")[-1].strip()
        if regime == "rl":
            return Said("rl", [("user", row["question"], None)], [], [], final)
        answer = final if "####" in row["answer"] else row["answer"]
        return chat((row["question"], row["answer"]))._replace(answer=answer)
    if "request" in row:
        return chat((row["request"]["text"], row["reply"]["text"]))
    if "gold" in row:
        return chat((row["instruction"], row["gold"]["text"]))
    if "instruction" in row:
        return chat((asking(row["instruction"], row["input"]), row["output"]))
    reply = next(row[key] for key in ("completion", "response", "output") if key in row)
    return chat((row["prompt"], reply))


def chat(*exchanges: tuple[str, str]) -> Said:
    turns = [
        (role, text, None) for two in exchanges for role, text in zip(("user", "assistant"), two, strict=True)
    ]
    return Said("sft", turns, [], [], None)


def asking(instruction: str, given: str) -> str:
    return f"{instruction}\n\n{given}" if given else instruction


def turn(item: dict[str, Any]) -> Turn:
    if "from" in item:
        return ROLES.get(item["from"], item["from"]), item["value"], None
    calls = item.get("tool_calls")
    text = json.dumps(calls, ensure_ascii=False, separators=(",", ":")) if calls else None
    return item["role"], item["content"], text


def transcript(text: str) -> list[Turn]:
    found = re.findall(r"\n\n(Human|Assistant): ?(.*?)(?=\n\n(?:Human|Assistant):|\Z)", text, re.DOTALL)
    return [("user" if who == "Human" else "assistant", what, None) for who, what in found]


def pair(row: dict[str, Any]) -> Said:
    """Both branches; what they share before the first assistant turn that differs is the prompt."""
    if "prompt" in row:
        sides = [[("assistant", row[name], None)] for name in ("chosen", "rejected")]
        return Said("preference", [("user", row["prompt"], None)], *sides, None)
    chosen, rejected = transcript(row["chosen"]), transcript(row["rejected"])
    last = min(len(chosen), len(rejected)) - 1
    shared = next((i for i in range(last) if chosen[i] != rejected[i]), last)
    while chosen[shared][0] != "assistant" or rejected[shared][0] != "assistant":
        shared -= 1
    return Said("preference", chosen[:shared], chosen[shared:], rejected[shared:], None)


# --- text: normalise 1, word 1, word:5 shingles, bare words -------------------------------------

SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(f"[{ALONE}]|[^ {ALONE}]+")
PUNCTUATION = re.compile(
    "[\\x00-/:-@\\[-^`{-\x7f\xa0-\xbf\u2000-\u206f\u3000-\u3004\u3008-\u303f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"
)


def normalised(text: str) -> str:
    """NFC, simple lower case, NFC, white space runs to one space, trimmed."""
    text = unicodedata.normalize("NFC", text).replace("\u0130", "i").replace("\u03a3", "\u03c3").lower()
    return SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")


def grams(words: list[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def shingles(text: str) -> set[tuple[str, ...]]:
    words = WORD.findall(normalised(text))
    return grams(words, 5) if len(words) >= 5 else {tuple(words)} - {()}


def bare_words(text: str) -> list[str]:
    return WORD.findall(PUNCTUATION.sub(" ", normalised(text)))


class EvalSets:
    """Evaluation items by their runs of 13 words, of 8 if they have fewer than 13, else as a whole."""

    def __init__(self, base: Path, sets: list[tuple[str, str, list[str]]]) -> None:
        self.words: dict[tuple[str, int, str], list[str]] = {}
        self.runs: dict[int, dict[tuple[str, ...], set[tuple[str, int]]]] = defaultdict(
            lambda: defaultdict(set)
        )
        self.alone: dict[tuple[str, ...], set[tuple[str, int]]] = defaultdict(set)
        for name, path, fields in sets:
            for number, line in enumerate(written_lines(base / path).values()):
                for field in fields:
                    words = bare_words(json.loads(line)[field])
                    self.words[name, number, field] = words
                    if 0 < len(words) < 5:
                        self.alone[tuple(words)].add((name, number))
                    for run in grams(words, run_length(words)) if len(words) >= 5 else ():
                        self.runs[len(run)][run].add((name, number))

    def found_in(self, fields: list[str]) -> set[tuple[str, int]]:
        """The items, as (set, number), of which a field holds a run, or says just that and no more."""
        found: set[tuple[str, int]] = set()
        for words in map(bare_words, fields):
            found |= self.alone.get(tuple(words), set())
            for length, items in self.runs.items():
                found |= {item for run in grams(words, length) & items.keys() for item in items[run]}
        return found


def run_length(words: list[str]) -> int:
    return next((length for length in (13, 8) if len(words) >= length), len(words))


# --- the lake ----------------------------------------------------------------------------------


class Lake:
    """A lake and the folder of raw files that its spec is relative to."""

    def __init__(self, folder: Path, base: Path, regimes: dict[str, str]) -> None:
        self.folder, self.base, self.regimes = folder, base, regimes
        self.manifest = json.loads((folder / "MANIFEST.json").read_bytes())

    @cached_property
    def raw(self) -> dict[Key, bytes]:
        """Every written line of every file of every source."""
        files = [
            (source["id"], file["name"]) for source in self.manifest["sources"] for file in source["files"]
        ]
        return {
            (source, name, number): line
            for source, name in files
            for number, line in written_lines(self.base / name).items()
        }

    @cached_property
    def again(self) -> set[tuple[str, str]]:
        """The files that the manifest calls a second delivery, as (source, file)."""
        found = [(s["id"], f["name"]) for s in self.manifest["sources"] for f in s["files"] if f["same_as"]]
        return set(found)

    def said(self, key: Key) -> Said:
        """What the raw line under ``key`` says."""
        return said(json.loads(self.raw[key]), self.regimes[key[0]])

    @cached_property
    def bronze(self) -> list[tuple[Key, bytes, dict[str, Any]]]:
        """Every bronze line: its key, its bytes, and the object in it."""
        lines = [line for path in self._files("bronze", ".jsonl.zst") for line in contents(path).splitlines()]
        rows = [(line, json.loads(line)) for line in lines]
        return [(key_of(row["source_id"], row["origin"]), line, row) for line, row in rows]

    @cached_property
    def quarantine(self) -> list[tuple[Key, dict[str, Any]]]:
        """Every quarantined line."""
        lines = [
            line for path in self._files("quarantine", ".jsonl") for line in path.read_bytes().splitlines()
        ]
        rows = [json.loads(line) for line in lines]
        return [(key_of(row["source_id"], row["origin"]), row) for row in rows]

    @cached_property
    def evidence(self) -> list[tuple[str, Key, dict[str, Any]]]:
        """Every removal: the stage, the key of what went, and the row."""
        found = []
        for path in self._files("evidence", ".parquet"):
            stage = path.relative_to(self.folder / "evidence").parts[0]
            for row in pq.read_table(path, partitioning=None).to_pylist():
                found.append((stage, key_of(row["removed_source"], row["removed_origin"]), row))
        return found

    @cached_property
    def silver(self) -> dict[Key, dict[str, Any]]:
        """Every silver row; two rows from one line would be an error."""
        found: dict[Key, dict[str, Any]] = {}
        for path in self._files("silver", ".parquet"):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                key = key_of(row["source_id"], row["origin"])
                assert key not in found, f"{key} is in silver twice"
                found[key] = row
        return found

    def gold(self, regime: str) -> pa.Table:
        """The gold table of a regime."""
        paths = self._files(f"gold/{regime}", ".parquet")
        return pa.concat_tables([pq.read_table(path, partitioning=None) for path in paths]).combine_chunks()

    def gold_ids(self, regime: str) -> Counter[str]:
        """The records in the gold table of a regime, by id: the same line may have come from two sources."""
        table = self.gold(regime)
        return Counter(
            table["doc_ids"].combine_chunks().flatten().to_pylist()
            if regime == "sft"
            else table["id"].to_pylist()
        )

    def _files(self, layer: str, suffix: str) -> list[Path]:
        """The files of a layer: those on disk are those that the root manifest names."""
        found = sorted(path for path in (self.folder / layer).rglob(f"*{suffix}") if path.is_file())
        listed = {item["path"] for item in self.manifest["files"]}
        assert {path.relative_to(self.folder).as_posix() for path in found} <= listed
        return found

    def places(self) -> dict[Key, list[str]]:
        """Where each line ended: ``gold``, ``quarantine``, a stage of evidence, or ``delivered_again``."""
        ends: dict[Key, list[str]] = defaultdict(list)
        for key, _ in self.quarantine:
            ends[key].append("quarantine")
        for stage, key, _ in self.evidence:
            ends[key].append(stage)
        for key in self.silver:
            if "packing" not in ends[key]:  # too long for the context: in silver, and not in gold
                ends[key].append("gold")
        for key in self.raw:
            if key[:2] in self.again:
                ends[key].append("delivered_again")
        return dict(ends)


def key_of(source: str, origin: dict[str, Any]) -> Key:
    return source, origin["path"], origin["line"]


def check_every_line_is_in_one_place(lake: Lake) -> Counter[str]:
    """Assert that nothing was lost, doubled or altered on the way; return how many lines ended where."""
    ends = lake.places()
    assert ends.keys() == lake.raw.keys(), sorted(ends.keys() ^ lake.raw.keys())[:5]
    assert {key: places for key, places in ends.items() if len(places) != 1} == {}
    landed = Counter(
        [key for key, _, _ in lake.bronze] + [k for k, row in lake.quarantine if row["stage"] == "ingest"]
    )
    assert landed == Counter(key for key in lake.raw if key[:2] not in lake.again)
    for key, line, row in lake.bronze:
        assert line.endswith(b',"payload":' + lake.raw[key] + b"}"), key
        assert row["record_id"] == hashlib.sha256(lake.raw[key]).hexdigest(), key
    for key, row in lake.quarantine:
        assert base64.b64decode(row["raw"]) == lake.raw[key], key
        assert row["sha256"] == hashlib.sha256(lake.raw[key]).hexdigest(), key
    for regime in ("sft", "preference", "rl"):
        ids = [
            lake.silver[k]["id"]
            for k, at in ends.items()
            if at == ["gold"] and lake.silver[k]["regime"] == regime
        ]
        assert Counter(ids) == lake.gold_ids(regime), regime
    return Counter(place for [place] in ends.values())


def check_identity_evidence(lake: Lake) -> int:
    """Assert that what identity removes is the same line, read alike, of a record that stays; count it."""
    rows = [(key, row) for stage, key, row in lake.evidence if stage == "identity"]
    gone = {key for key, _ in rows}
    for key, row in rows:
        kept = key_of(row["kept_source"], row["kept_origin"])
        assert row["method"] == "duplicate_payload" and kept not in gone, key
        assert lake.raw[key] == lake.raw[kept] and lake.regimes[key[0]] == lake.regimes[kept[0]], key
    left = Counter((lake.raw[key], lake.regimes[key[0]]) for key, _, _ in lake.bronze if key not in gone)
    assert not left or max(left.values()) == 1
    return len(rows)


def check_silver_says_what_the_lines_say(lake: Lake) -> None:
    """Assert that every silver row is the record that was read from its raw line by other means."""
    for key, row in lake.silver.items():
        wanted, parts = lake.said(key), ("prompt", "chosen", "rejected")
        found = {
            name: [(m["role"], m["content"], m["tool_calls"]) for m in row[name] or ()]
            for name in ("messages", *parts)
        }
        if wanted.regime == "sft":
            assert (found.pop("prompt"), found["messages"]) == ([], wanted.prompt), key
        else:
            assert (found.pop("messages"), found["prompt"]) == ([], wanted.prompt), key
        assert (row["regime"], found["chosen"], found["rejected"]) == (
            wanted.regime,
            wanted.chosen,
            wanted.rejected,
        )
        assert row["answer"] == wanted.answer, key


def check_dedup_evidence(lake: Lake, threshold: tuple[int, int]) -> Counter[str]:
    """Assert that each removal as a duplicate follows from the two texts; return the removals by method."""
    ranks = {key: row["source_rank"] for key, _, row in lake.bronze}
    rows = [(key, row) for stage, key, row in lake.evidence if stage == "dedup"]
    for key, row in rows:
        kept = key_of(row["kept_source"], row["kept_origin"])
        assert kept in lake.silver and lake.silver[kept]["id"] == row["kept_id"], (key, kept)
        assert key not in lake.silver, key
        gone, stays = lake.said(key), lake.said(kept)
        assert gone.regime == stays.regime == row["regime"], (key, kept)
        one, other = normalised(gone.compared()), normalised(stays.compared())
        preference = [
            (ranks[kept], -len(other.encode()), row["kept_id"]),
            (ranks[key], -len(one.encode()), row["removed_id"]),
        ]
        assert preference == sorted(preference), (key, kept)
        if row["method"] == "exact":
            assert one == other != "", (key, kept)
            continue
        a, b = shingles(one), shingles(other)
        shared, union, detail = len(a & b), len(a | b), json.loads(row["detail"])
        assert row["method"] == "near" and shared * threshold[1] >= union * threshold[0], (
            key,
            kept,
            shared,
            union,
        )
        assert (detail["intersection"], detail["union"], detail["shingle"]) == (shared, union, "word:5"), key
        assert row["score"] == shared / union and row["threshold"] == threshold[0] / threshold[1], key
    return Counter(row["method"] for _, row in rows)


def check_decontamination(lake: Lake, sets: EvalSets) -> dict[Key, set[tuple[str, int]]]:
    """Assert that what shares 13 words with an item went, with the span, and nothing else; return it."""
    before = {*lake.silver, *(key for stage, key, _ in lake.evidence if stage in ("decontaminate", "dedup"))}
    texts = {key: lake.said(key).fields() for key in before}
    wanted = {key: hits for key, text in texts.items() if (hits := sets.found_in(text))}
    rows = {key: row for stage, key, row in lake.evidence if stage == "decontaminate"}
    assert rows.keys() == wanted.keys(), sorted(rows.keys() ^ wanted.keys())[:5]
    for key, row in rows.items():
        hits = json.loads(row["detail"])["hits"]
        assert {(hit["set"], hit["item"]) for hit in hits} == wanted[key], key
        assert row["method"] == "contaminated" and row["score"] == max(hit["words"] for hit in hits), key
        lines = [bare_words(text) for text in texts[key]]
        for hit in hits:
            span, item = bare_words(hit["span"]), sets.words[hit["set"], hit["item"], hit["field"]]
            here = [line for line in lines if tuple(span) in grams(line, len(span))]
            assert len(span) == hit["words"] and here and (len(item) >= 5 or item in here), key
            assert grams(span, run_length(item)) <= grams(item, run_length(item)), key
    return wanted


# --- gold --------------------------------------------------------------------------------------

START, END = b"<|im_start|>", b"<|im_end|>"


class Layout(NamedTuple):
    """A conversation as ChatML: its bytes, runs of (trained, bytes), and where control tokens begin."""

    data: bytes
    runs: list[tuple[bool, int]]
    control: list[int]


def layout(turns: list[Turn], trained_from: int = 0, generation: bool = False) -> Layout:
    """Lay out turns; assistant turns from number ``trained_from`` on are trained, up to their stop token."""
    data, runs, control = b"", [], []
    for number, (role, content, calls) in enumerate(turns):
        called = "" if calls is None else ("\n" if content else "") + f"<tool_call>\n{calls}\n</tool_call>"
        head, body = START + f"{role}\n".encode(), (content + called).encode()
        control += [len(data), len(data) + len(head) + len(body)]
        data += head + body + END + b"\n"
        runs += [
            (False, len(head)),
            (role == "assistant" and number >= trained_from, len(body + END)),
            (False, 1),
        ]
    if generation:
        control.append(len(data))
        data += START + b"assistant\n"
        runs.append((False, len(START + b"assistant\n")))
    return Layout(data, runs, control)


class Vocabulary:
    """A byte-level tokenizer.json: the bytes of each id, through the byte-level alphabet."""

    def __init__(self, path: Path) -> None:
        spec = json.loads(path.read_bytes())
        plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        rest = [byte for byte in range(256) if byte not in plain]
        alphabet = {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(rest)}
        self.control = {token["id"]: token["content"].encode() for token in spec["added_tokens"]}
        vocabulary = spec["model"]["vocab"].items()
        ordinary = {n: bytes(alphabet[c] for c in text) for text, n in vocabulary if n not in self.control}
        self.bytes = {**ordinary, **self.control}
        self.sizes = np.zeros(max(self.bytes) + 1, np.int64)
        self.sizes[list(self.bytes)] = [len(data) for data in self.bytes.values()]

    def check(
        self, names: list[str], ids: np.ndarray, mask: np.ndarray, lengths: np.ndarray, wanted: list[Layout]
    ) -> None:
        """Assert that each sequence spells its layout, and that its mask covers the trained bytes alone.

        Sequences lie end to end in ``ids`` and ``mask``; all is compared in bytes, so a token that
        ends inside a character, or lies across the edge of a turn, is seen for what it is.
        """
        sizes, tokens = self.sizes[ids], np.concatenate([[0], np.cumsum(lengths)])
        starts = np.concatenate([[0], np.cumsum(sizes)])
        assert tokens[-1] == len(ids) == len(mask)
        spelt = b"".join(map(self.bytes.__getitem__, ids.tolist()))
        trained = np.repeat(mask, sizes)
        is_control = np.isin(ids, list(self.control))
        for i, (name, want) in enumerate(zip(names, wanted, strict=True)):
            first, last = tokens[i], tokens[i + 1]
            start, end = starts[first], starts[last]
            assert spelt[start:end] == want.data, name
            assert (starts[first:last][is_control[first:last]] - start).tolist() == want.control, name
            at = start
            for flag, size in want.runs:
                assert (trained[at : at + size] == flag).all(), (name, want.data[at - start :][:size])
                at += size


def check_gold(lake: Lake, context: int) -> dict[str, int]:
    """Assert that gold spells the raw lines, masks and all; return how many sequences were compared."""
    vocabulary = Vocabulary(lake.folder / "tokenizer.json")
    by_id = {(row["regime"], row["id"]): lake.said(key) for key, row in lake.silver.items()}
    return {
        "sft": _check_packs(lake.gold("sft"), by_id, vocabulary, context),
        "preference": _check_pairs(lake.gold("preference"), by_id, vocabulary, context),
        "rl": _check_prompts(lake.gold("rl"), by_id, vocabulary, context),
    }


def _flat(table: pa.Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of a list column end to end, and the length of each list."""
    lists = table[column].combine_chunks()
    return lists.flatten().to_numpy(zero_copy_only=False), lists.value_lengths().to_numpy()


def _check_packs(table: pa.Table, by_id: dict, vocabulary: Vocabulary, context: int) -> int:
    (ids, in_pack), (mask, masked) = _flat(table, "input_ids"), _flat(table, "loss_mask")
    lengths, documents = _flat(table, "seq_lens")
    starts, _ = _flat(table, "doc_starts")
    names = table["doc_ids"].combine_chunks().flatten().to_pylist()
    assert np.array_equal(in_pack, masked) and in_pack.min() > 0 and in_pack.max() <= context
    ends = np.cumsum(lengths)
    first = np.repeat(np.cumsum(in_pack) - in_pack, documents)
    assert np.array_equal(starts, ends - lengths - first)
    assert np.array_equal(np.cumsum(in_pack), ends[np.cumsum(documents) - 1])
    wanted = [layout(by_id["sft", name].prompt) for name in names]
    assert all(any(flag for flag, _ in want.runs) for want in wanted)
    vocabulary.check(names, ids, mask, lengths, wanted)
    return len(names)


def _check_pairs(table: pa.Table, by_id: dict, vocabulary: Vocabulary, context: int) -> int:
    names, shared = table["id"].to_pylist(), table["prompt_tokens"].to_pylist()
    heads = []
    for branch in ("chosen", "rejected"):
        (ids, lengths), (mask, masked) = (
            _flat(table, f"{branch}_{name}") for name in ("input_ids", "loss_mask")
        )
        assert np.array_equal(lengths, masked) and lengths.max() <= context
        records = [by_id["preference", name] for name in names]
        turns = [([*said.prompt, *getattr(said, branch)], len(said.prompt)) for said in records]
        vocabulary.check(names, ids, mask, lengths, [layout(*two) for two in turns])
        starts = np.cumsum(lengths) - lengths
        heads.append([ids[start : start + n] for start, n in zip(starts, shared, strict=True)])
        spelt = [int(vocabulary.sizes[head].sum()) for head in heads[-1]]
        assert spelt == [len(layout(said.prompt, generation=True).data) for said in records]
    assert all(np.array_equal(a, b) for a, b in zip(*heads, strict=True))
    return 2 * len(names)


def _check_prompts(table: pa.Table, by_id: dict, vocabulary: Vocabulary, context: int) -> int:
    ids, lengths = _flat(table, "input_ids")
    rows = table.select(["id", "prompt", "answer", "verifier"]).to_pylist()
    names, records = [row["id"] for row in rows], [by_id["rl", row["id"]] for row in rows]
    wanted = [layout(said.prompt, len(said.prompt), generation=True) for said in records]
    vocabulary.check(names, ids, np.zeros(len(ids), bool), lengths, wanted)
    for row, record in zip(rows, records, strict=True):
        assert [(m["role"], m["content"], m["tool_calls"]) for m in row["prompt"]] == record.prompt, row["id"]
        assert row["answer"] == record.answer and row["verifier"]["kind"], row["id"]
    assert lengths.max() <= context
    return len(rows)
