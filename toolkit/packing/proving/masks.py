"""Prove the loss masks of encoded records against their messages, one by one.

A wrong mask raises nothing: the loss still falls, on the wrong tokens. Four facts must hold:

    untrained   every character of an assistant turn is trained
    leak        no other character is
    stop        the stop token that closes each assistant turn is trained, and is the control id
    nothing     at least one token of every sft or preference sequence is trained

The check does not repeat the encoder. It cuts the ids wherever the mask changes, decodes each run
and compares the texts with those of ``template.render``: equal texts put every mask boundary on
the right character. ``text`` (the ids decode to something else) and ``prompt`` (the two branches
do not share the prompt they claim) complete the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa

from toolkit.packing.chat.runs import Runs
from toolkit.packing.chat.template import Segment, Template, render
from toolkit.packing.proving.invariants import bits_of_ids, bits_of_runs, broken
from toolkit.packing.tokens.tokenizer import Pinned

_ROWS = 1024
_COLUMNS = ("id", "regime", "messages", "prompt", "chosen", "rejected")


@dataclass(frozen=True)
class MaskFault:
    """One broken invariant: in which row of the table, in which sequence, and what was seen."""

    row: int
    id: str
    sequence: str  # input_ids, chosen_input_ids or rejected_input_ids
    invariant: str  # untrained, leak, stop, nothing, text or prompt
    detail: str


@dataclass(frozen=True)
class _Sequence:
    """One encoded sequence beside what it should be."""

    row: int
    id: str
    name: str
    ids: np.ndarray
    mask: np.ndarray
    segments: list[Segment]
    needs_training: bool


def check_masks(table: pa.Table, encoded: pa.Table, pinned: Pinned) -> list[MaskFault]:
    """Return every broken invariant of ``encoded`` (from ``encode(table, pinned)``); empty if none.

    ``table``: canonical records, aligned with ``encoded`` row by row.
    """
    faults = []
    for first in range(0, table.num_rows, _ROWS):
        records = table.select(_COLUMNS).slice(first, _ROWS).to_pylist()
        rows = encoded.slice(first, _ROWS)
        sequences = list(_sequences(records, rows, first))
        cuts = [_cuts(s.mask) for s in sequences]
        runs = [s.ids[a:b].tolist() for s, cut in zip(sequences, cuts, strict=True) for a, b in cut]
        texts = map(pinned.decode, runs)
        for sequence, cut in zip(sequences, cuts, strict=True):
            faults += _faults(sequence, [(bool(sequence.mask[a]), next(texts)) for a, _ in cut], pinned)
        faults += _prompt_faults(records, rows, first, pinned)
    return faults


def _sequences(records: list[dict], rows: pa.Table, first: int) -> Iterator[_Sequence]:
    for name in ("input_ids", "chosen_input_ids", "rejected_input_ids"):
        ids, masks = rows[name], rows[name.replace("input_ids", "loss_mask")]
        for i, record in enumerate(records):
            if (record["regime"] == "preference") == (name == "input_ids"):
                continue
            segments = _expected(record, name)
            arrays = (np.array(c[i].values or [], dtype=t) for c, t in ((ids, np.int32), (masks, np.bool_)))
            yield _Sequence(first + i, record["id"], name, *arrays, segments, record["regime"] != "rl")


def _expected(record: dict, name: str) -> list[Segment]:
    if record["regime"] == "sft":
        return render(record["messages"] or [])
    prompt = render(record["prompt"] or [], train=False, generation=record["regime"] == "rl")
    return prompt if record["regime"] == "rl" else prompt + render(record[name.split("_")[0]] or [])


def _cuts(mask: np.ndarray) -> list[tuple[int, int]]:
    """Split a mask into runs of equal values, as (start, end)."""
    if not mask.size:
        return []
    edges = [0, *(np.flatnonzero(mask[1:] != mask[:-1]) + 1).tolist(), mask.size]
    return list(pairwise(edges))


def _faults(sequence: _Sequence, runs: list[tuple[bool, str]], pinned: Pinned) -> Iterator[MaskFault]:
    def fault(invariant: str, detail: str) -> MaskFault:
        return MaskFault(sequence.row, sequence.id, sequence.name, invariant, detail)

    filled = (s for s in sequence.segments if s.text)
    wanted = [(k, "".join(s.text for s in g)) for k, g in groupby(filled, key=lambda s: s.trained)]
    if runs != wanted:
        yield from (fault(*found) for found in _differences(sequence, pinned))
    turns = sum(s.trained and s.control for s in sequence.segments)
    ends = np.flatnonzero(sequence.mask & ~np.append(sequence.mask[1:], False))
    stops = np.flatnonzero(sequence.mask & (sequence.ids == pinned.im_end))
    if stops.size != turns or not np.array_equal(ends, stops):
        yield fault("stop", f"{turns} assistant turns, {stops.size} trained stop tokens")
    if sequence.needs_training and not sequence.mask.any():
        yield fault("nothing", f"none of {sequence.mask.size} tokens is trained")


def _differences(sequence: _Sequence, pinned: Pinned) -> Iterator[tuple[str, str]]:
    """Compare character by character. Slow, and only run on a sequence known to be wrong."""
    ids = sequence.ids.tolist()
    text = pinned.decode(ids)
    wanted = "".join(s.text for s in sequence.segments)
    if text != wanted:
        yield "text", f"decodes to {text[:80]!r}, expected {wanted[:80]!r}"
        return
    trained = np.zeros(len(text), np.bool_)
    for a, b in _cuts(sequence.mask):
        start, end = (len(pinned.decode(ids[:n])) for n in (a, b))
        trained[start:end] = sequence.mask[a]
    lengths = [len(s.text) for s in sequence.segments]
    said = np.repeat([s.trained and not s.control for s in sequence.segments], lengths)
    other = np.repeat([not s.trained for s in sequence.segments], lengths)
    for invariant, wrong in (("untrained", said & ~trained), ("leak", other & trained)):
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            yield invariant, f"{wrong.sum()} characters, the first at {at}: {text[at : at + 40]!r}"


def _prompt_faults(records: list[dict], rows: pa.Table, first: int, pinned: Pinned) -> Iterator[MaskFault]:
    pairs = [i for i, record in enumerate(records) if record["regime"] == "preference"]
    shared = []
    for i in pairs:
        n = rows["prompt_tokens"][i].as_py()
        heads = [
            (rows[name][i].values or pa.array([]))[:n].to_pylist()
            for name in ("chosen_input_ids", "rejected_input_ids")
        ]
        shared.append(heads[0] if heads[0] == heads[1] else [])
    texts = map(pinned.decode, shared)
    for i, text in zip(pairs, texts, strict=True):
        if not text.startswith("".join(s.text for s in render(records[i]["prompt"] or []))):
            detail = f"prompt_tokens={rows['prompt_tokens'][i].as_py()} is not the prompt in both branches"
            yield MaskFault(first + i, records[i]["id"], "prompt_tokens", "prompt", detail)


def check_sequences(
    runs: Runs,
    ids: pa.ListArray,
    mask: pa.ListArray,
    spell: Callable[[Sequence[int]], Sequence[bytes]],
    control: Sequence[int],
    template: Template,
    *,
    needs_training: bool = True,
) -> dict[int, list[tuple[str, str]]]:
    """Return every broken invariant (``toolkit.packing.proving.invariants``) of token ids made from runs.

    ``ids``, ``mask``: one list a sequence of ``runs``. ``spell``: the bytes of each id. ``control``: the
    id of each control token of ``template``, by its index. Sequence -> (invariant, detail); empty if none.
    The check spells the tokens and lays them beside the runs byte by byte: how they were encoded
    plays no part. Sequences that are faults of ``runs`` are not looked at.
    """
    texts = dict(zip(control, template.control, strict=True))
    out = {}
    for sequence in range(len(runs.ends) - 1):
        if sequence in runs.faults:
            continue
        numbers, trained = ((a[sequence].as_py() or []) for a in (ids, mask))
        seen = bits_of_ids(numbers, trained, spell, texts)
        wanted = bits_of_runs(runs, sequence, template.control)
        found = list(broken(wanted, seen, needs_training=needs_training and bool(wanted)))
        if found:
            out[sequence] = found
    return out
