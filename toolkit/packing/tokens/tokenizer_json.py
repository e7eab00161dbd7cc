"""A tokenizer.json as data: read it, switch off what harms data, add the control tokens it lacks.

The file carries settings that are right for chatting and wrong for data: truncation, padding,
templates that add tokens, Unicode normalisation, a space put in front, merges dropped at random.
Edited here as JSON, the file means the same to every release of the library, and what was
changed can be told. Nothing here knows the library.

Added tokens are kept in the order of their ids: releases differ in whether they number them by
id or by place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.packing.tokens.library import added_token, added_tokens, vocabulary

MOST_IDS = 1 << 24
_UNICODE_FORMS = {"NFC", "NFD", "NFKC", "NFKD"}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def parse(name: str, data: bytes) -> dict[str, Any]:
    """Return a tokenizer.json's content; raise RequestError, calling it ``name``, for anything else."""
    try:
        spec = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise not_a_tokenizer(name, error) from error
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), dict):
        raise not_a_tokenizer(name, ValueError('no "model" in it'))
    try:
        wrong = [pair for pair in vocabulary(spec) if not _is_entry(*pair)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise not_a_tokenizer(name, ValueError("tokens without a content or an id")) from error
    if wrong:
        raise not_a_tokenizer(name, ValueError(f"{wrong[0]} is no token and id below {MOST_IDS:,}"))
    return spec


def _is_entry(token: object, id_: object) -> bool:
    return isinstance(token, str) and type(id_) is int and 0 <= id_ < MOST_IDS


def not_a_tokenizer(name: str, error: Exception) -> RequestError:
    """Return the error for a file that is no tokenizer.json, or none that the library reads."""
    return RequestError(
        f"{name}: not a tokenizer.json of the tokenizers library ({error}). Give the whole file as "
        "published with the model, or train one with toolkit.packing.tokens.train."
    )


def switch_off(spec: dict[str, Any]) -> list[str]:
    """Remove, in place, the settings that change text or add tokens; return the names of those found."""
    disabled = []
    for key in ("truncation", "padding", "post_processor"):
        if spec.get(key) is not None:
            spec[key] = None
            disabled.append(key)
    disabled += _drop_unicode_forms(spec)
    for part in _parts(spec.get("pre_tokenizer")):
        if part.get("type") == "ByteLevel" and part.get("add_prefix_space"):
            part["add_prefix_space"] = False
            disabled.append("add_prefix_space")
    if spec["model"].get("dropout"):
        spec["model"]["dropout"] = None
        disabled.append("dropout")
    return disabled


def _drop_unicode_forms(spec: dict[str, Any]) -> list[str]:
    """Remove Unicode normal forms; leave other normalisers, on which a vocabulary may depend."""
    forms = [part["type"] for part in _parts(spec.get("normalizer")) if part.get("type") in _UNICODE_FORMS]
    if forms and spec["normalizer"]["type"] in _UNICODE_FORMS:
        spec["normalizer"] = None
    elif forms:
        rest = [p for p in spec["normalizer"]["normalizers"] if p.get("type") not in _UNICODE_FORMS]
        spec["normalizer"]["normalizers"] = rest
    return forms


def _parts(step: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield a pipeline step, or the steps of a sequence."""
    if step:
        yield step
        for key in ("normalizers", "pretokenizers"):
            for part in step.get(key) or []:
                yield from _parts(part)


def add_control(spec: dict[str, Any], control: Sequence[str]) -> list[str]:
    """Make ``control`` special tokens, in place; return those that the file did not know.

    A token in the model's vocabulary keeps its id; a new one gets the next after all ids of the file.
    """
    ids = dict(vocabulary(spec))
    new = [token for token in control if token not in ids]
    first = 1 + max(ids.values(), default=-1)
    ids |= {token: first + i for i, token in enumerate(new)}
    others = [token for token in added_tokens(spec) if token["content"] not in control]
    mine = [added_token(token, ids[token], special=True) for token in control]
    spec["added_tokens"] = sorted(others + mine, key=lambda token: token["id"])
    return new


def from_vocab(vocab: str | Path, merges: str | Path) -> bytes:
    """Return tokenizer.json bytes for a byte-level BPE given as vocab.json and merges.txt (GPT-2).

    Raises RequestError for a file that is missing or broken, or a merge of tokens that are not there.
    """
    name = f"{vocab} and {merges}"
    table, lines = read(Path(vocab)), read(Path(merges))
    try:
        tokens = json.loads(table)
        pairs = [line.split(" ") for line in lines.decode().split("\n")]
        pairs = [[part.rstrip("\r") for part in pair] for pair in pairs]
        rules = [pair for pair in pairs if pair != [""] and not pair[0].startswith("#version")]
        wrong = [p for p in rules if len(p) != 2 or not {*p, "".join(p)} <= tokens.keys()]
    except (ValueError, AttributeError) as error:
        raise not_a_tokenizer(name, error) from error
    if wrong:
        raise not_a_tokenizer(name, ValueError(f"the merge {' '.join(wrong[0])!r} has no tokens"))
    return json.dumps(byte_level_bpe(tokens, rules)).encode()


def byte_level_bpe(
    vocab: dict[str, int], merges: list[list[str]], special: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the tokenizer.json of a byte-level BPE with GPT-2's splitting rule."""
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(token, vocab[token], special=True) for token in special],
        "normalizer": None,
        "pre_tokenizer": dict(BYTE_LEVEL),
        "post_processor": None,
        "decoder": dict(BYTE_LEVEL),
        "model": model,
    }


def read(path: Path) -> bytes:
    """Return a file's bytes; raise RequestError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(
            f"{path}: cannot read the tokenizer ({error.strerror}). Give the path of a tokenizer.json, "
            "or leave it out to train one on the data."
        ) from error
