r"""The tokenizers library, whichever release is installed, behind four calls.

0.21 to 0.23 encode 2 to 9 MB/s a core, 1.0 about 100, with the same ids; they share little more
than the name of a class. All that is asked of either: load a tokenizer.json, encode texts, name
tokens, decode ids. Everything else is done to the tokenizer.json, which is data.

At 100 MB/s a Python object a text costs half as much as its tokens. So 1.0 gets many texts as one,

    text_1 END text_2 END ...        ->        ids_1 end ids_2 end ...

where END is an added token of a private copy of the tokenizer. The library splits at added tokens
before anything else, so each text is encoded as if alone. END has no border (no prefix of it is a
suffix), so joining texts makes no END of its own; a text that holds one shows by the count of
ends, and its chunk is encoded text by text.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numba import types
from tokenizers import Tokenizer

from toolkit.errors import RequestError
from toolkit.kernels import text_buffers
from toolkit.kernels.block import copy
from toolkit.kernels.compile import BYTES, I32S, I64S, OUT_BYTES, OUT_I64S, kernel, pointer

VERSION = version("tokenizers")
_JOINS = not hasattr(Tokenizer, "from_str")  # 1.0: no option is left on the object, ids come as NumPy
_END = "\x1f\x1e\x1d\x1c"  # ASCII, so that it does not widen the Python text that it ends
BATCH, CHUNK = 8 << 20, 64 << 10  # bytes: encoded before ids are read; handed to one thread as one text


class Library:
    """One tokenizer.json in the installed release: special tokens in a text are text, nothing is added."""

    def __init__(self, spec: Mapping[str, Any]):
        """Load ``spec``, a tokenizer.json; whatever the library cannot read raises ValueError."""
        self.spec = spec
        self._end = 1 + max((id_ for _, id_ in vocabulary(spec)), default=-1)
        clear = not any(set(_END) & set(t["content"]) for t in added_tokens(spec))
        self._encoder = _from_json(_with_end(spec, self._end)) if _JOINS and clear else self.tokenizer
        self._joins = _JOINS and self.token(self._end) == _END  # the library renumbers behind a gap

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The library's own object, for what is not on the way of the data."""
        return _from_json(self.spec)

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """Encode text (string or large_string [n], a null as the empty text): ids end to end, and lengths.

        ids int32 [tokens], lengths int64 [n]. Each text is encoded as if alone, on the library's
        threads. Memory beside the result: about 10 times BATCH bytes, or the longest text.
        """
        data, offsets = text_buffers(texts)
        encode = self._encode_joined if self._joins else self._encode_each
        parts = [encode(data, offsets[a : b + 1]) for a, b in _windows(offsets, BATCH)]
        ids, lengths = zip(*parts, strict=True) if parts else ((), ())
        return _end_to_end(ids, np.int32), _end_to_end(lengths, np.int64)

    def encode_alone(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encode texts that hold no END as ``encode`` does, without joining: what that is checked against."""
        return _read(_batch(self._encoder, texts))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Decode ids, special tokens included; bytes that are not UTF-8 become U+FFFD."""
        return self._encoder.decode(ids, skip_special_tokens=False)

    def token(self, id_: int) -> str | None:
        """The token that the library has under an id, or None."""
        if hasattr(self._encoder, "id_to_token"):
            return self._encoder.id_to_token(id_)
        return next(iter(self._encoder.decode_tokens([id_])), None)

    def _encode_each(self, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        whole = memoryview(data)
        return _read(_batch(self.tokenizer, [_text(whole[a:b]) for a, b in _pairs(offsets)]))

    def _encode_joined(self, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cuts = np.array([a for a, _ in _windows(offsets, CHUNK)] + [offsets.size - 1])
        end = np.frombuffer(_END.encode(), np.uint8)
        joined = np.empty(int(offsets[-1] - offsets[0]) + end.size * (offsets.size - 1), np.uint8)
        _join(data, offsets, end, joined)
        edges = offsets[cuts] - offsets[0] + end.size * cuts
        whole = memoryview(joined)
        chunks = [e.ids_array for e in _batch(self._encoder, [_text(whole[a:b]) for a, b in _pairs(edges)])]
        for k, (a, b) in enumerate(_pairs(cuts)):
            if np.count_nonzero(chunks[k] == self._end) != b - a:
                chunks[k] = self._with_ends(*self._encode_each(data, offsets[a : b + 1]))
        lengths = np.empty(offsets.size - 1, np.int64)
        ids = _end_to_end(chunks, np.int32)
        return ids[: _without_ends(ids, self._end, ids, lengths)], lengths

    def _with_ends(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return np.insert(ids, np.cumsum(lengths), self._end)


def vocabulary(spec: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield (token, id) of a tokenizer.json: the model's, then the added ones."""
    vocab = spec["model"].get("vocab") or {}
    yield from (
        ((token, i) for i, (token, _) in enumerate(vocab)) if isinstance(vocab, list) else vocab.items()
    )
    yield from ((token["content"], token["id"]) for token in added_tokens(spec))


def added_tokens(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Added tokens of a tokenizer.json, as it has them."""
    return spec.get("added_tokens") or []


def added_token(content: str, id_: int, *, special: bool) -> dict[str, Any]:
    """Return an entry of ``added_tokens`` that matches its spelling and nothing around it."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": id_, "content": content, **plain, "special": special}


def _with_end(spec: Mapping[str, Any], id_: int) -> dict[str, Any]:
    return {**spec, "added_tokens": [*added_tokens(spec), added_token(_END, id_, special=False)]}


def _from_json(spec: Mapping[str, Any]) -> Tokenizer:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".json") as file:
        file.write(json.dumps(spec))
        file.flush()
        try:
            tokenizer = Tokenizer.from_file(file.name)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the library raises bare Exception, and panics beside it
            raise ValueError(str(error)) from error
    if not _JOINS:
        tokenizer.encode_special_tokens = True
    return tokenizer


def _batch(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Any]:
    if _JOINS:
        return tokenizer.encode_batch(texts, add_special_tokens=False, encode_special_tokens=True)
    return tokenizer.encode_batch_fast(texts, add_special_tokens=False)


def _read(encodings: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.fromiter(map(len, encodings), np.int64, count=len(encodings))
    if _JOINS:
        return _end_to_end([e.ids_array for e in encodings], np.int32), lengths
    # .ids is the only way out of these releases, one Python int a token: let each list die before the next
    every = chain.from_iterable(e.ids for e in encodings)
    return np.fromiter(every, np.int32, count=int(lengths.sum())), lengths


def _text(part: memoryview) -> str:
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"a text to tokenize is not UTF-8 ({error.reason}): {bytes(part)[error.start :][:20]!r}. "
            "Repair it where the records are read."
        ) from error


def _windows(offsets: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Cut n texts into runs of about ``size`` bytes (a longer text is one by itself), as (first, end)."""
    n = offsets.size - 1
    full = np.arange(offsets[0] + size, offsets[-1], size)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(offsets, full, side="left"), [n]]))
    return _pairs(np.unique(np.clip(cuts, 0, n)))


def _pairs(edges: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _end_to_end(arrays: Iterable[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays], dtype=dtype, casting="unsafe")


@kernel(types.void(BYTES, I64S, BYTES, OUT_BYTES))
def _join(data, offsets, end, out):
    """Copy texts end to end, each followed by ``end``."""
    source, mark, target, at = pointer(data), pointer(end), pointer(out), 0
    for i in range(offsets.size - 1):
        size = offsets[i + 1] - offsets[i]
        copy(target, at, source, offsets[i], size)
        copy(target, at + size, mark, 0, end.size)
        at += size + end.size


@kernel(types.int64(I32S, types.int64, types.Array(types.int32, 1, "C"), OUT_I64S))
def _without_ends(ids, end, out, lengths):
    """Copy all ids but the ends (``out`` may be ``ids``), and count between them; return how many."""
    at, begin, text = 0, 0, 0
    for id_ in ids:
        if id_ == end:
            lengths[text] = at - begin
            begin, text = at, text + 1
        else:
            out[at] = id_
            at += 1
    return at
