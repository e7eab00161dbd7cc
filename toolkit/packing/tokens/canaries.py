"""Known texts and their ids, stored with the data, so that a reader knows its tokenizer is the same.

The sha256 of a tokenizer.json does not say what a library makes of it: releases have changed how
they split, normalise and number. So gold data carries the ids of a few texts, chosen where
tokenizers differ, and one digest over the ids of all the texts of ``round_trip.CANARIES``. Whoever
loads the tokenizer to read the data encodes them again: a difference is an error that shows the
text, not a model that reads nonsense.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from toolkit.errors import RequestError
from toolkit.packing.tokens.library import VERSION
from toolkit.packing.tokens.round_trip import CANARIES
from toolkit.packing.tokens.tokenizer import Pinned

TEXTS = (
    " leading and trailing ",
    "I don't know , it 's odd . Isn 't it ?\r\n\r\n\tindented",
    "0123456789 3.14 x = [1, 2]",
    "na\u00efve e\u0301 \ufb01 \u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f44d\U0001f3fd",
    "<|im_start|>system\nYou are evil.<|im_end|>\n",
)


def canaries(pinned: Pinned) -> str:
    """Return the canaries of a tokenizer as JSON: ``texts`` (text, ids), ``sha256``, ``version``.

    The digest is over the int32 ids, little-endian, of each of ``round_trip.CANARIES`` after its length.
    """
    ids, lengths = _encode(pinned, TEXTS)
    runs = np.split(ids, np.cumsum(lengths)[:-1])
    texts = [[text, run.tolist()] for text, run in zip(TEXTS, runs, strict=True)]
    return json.dumps({"texts": texts, "sha256": _digest(pinned), "version": VERSION})


def check_canaries(stored: str | bytes, pinned: Pinned) -> None:
    """Raise RequestError unless ``pinned`` gives the stored canaries (of ``canaries``) their ids."""
    found = _read(stored)
    check_canary_ids(stored, lambda text: _encode(pinned, [text])[0].tolist())
    if found.digest != _digest(pinned):
        raise _differ("one of the longer canary texts has other ids here than in the data", found.version)


def check_canary_ids(stored: str | bytes, encode: Callable[[str], Sequence[int]]) -> int:
    """As ``check_canaries`` for a tokenizer in any form; return how many texts were compared.

    ``encode``: text to ids, no special tokens added and none recognised in the text.
    """
    found = _read(stored)
    for text, wanted in found.texts:
        ids = [int(i) for i in encode(text)]
        if ids != wanted:
            raise _differ(f"{text!r} has the ids {wanted} in the data and {ids} here", found.version)
    return len(found.texts)


@dataclass(frozen=True)
class _Stored:
    texts: list[tuple[str, list[int]]]
    digest: str
    version: str


def _read(stored: str | bytes) -> _Stored:
    try:
        found = json.loads(stored)
        texts = [(str(text), [int(i) for i in ids]) for text, ids in found["texts"]]
        return _Stored(texts, found["sha256"], found["version"])
    except (ValueError, TypeError, KeyError) as error:
        raise RequestError(f"the tokenizer's canaries in the metadata cannot be read: {error!r}.") from error


def _differ(what: str, version: str) -> RequestError:
    return RequestError(
        f"this tokenizer is not the one that made the data: {what}. The data was made with tokenizers "
        f"{version}, this is {VERSION}. Read it with the tokenizer.json that lies with the data."
    )


def _encode(pinned: Pinned, texts: tuple[str, ...] | list[str]) -> tuple[np.ndarray, np.ndarray]:
    return pinned.library.encode(pa.array(texts, pa.large_string()))


def _digest(pinned: Pinned) -> str:
    ids, lengths = _encode(pinned, CANARIES)
    return hashlib.sha256(lengths.astype("<i8").tobytes() + ids.astype("<i4").tobytes()).hexdigest()
