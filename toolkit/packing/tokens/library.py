"""The tokenizers library, whichever release is installed, behind four calls.

0.21 to 0.23 encode 2 to 9 MB/s a core, 1.0 about 100, with the same ids; they share little more
than the name of a class. All that is asked of either: load a tokenizer.json, encode texts, name
tokens, decode ids. Everything else is done to the tokenizer.json, which is data.

1.0 reads characters by Unicode 17 and 0.23 by Unicode 16: beside the letters and digits new in
Unicode 17 (4,657), and there alone, words may be cut and ids may differ.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from toolkit.kernels import text_buffers
from toolkit.packing.tokens.gather import copy_runs
from toolkit.packing.tokens.joining import END, Encoder, encode_places, one_thread

VERSION = version("tokenizers")
_RELEASE_1 = not hasattr(Tokenizer, "from_str")  # options go with each call, ids come as NumPy


class Library:
    """One tokenizer.json in the installed release: special tokens in a text are text, nothing is added."""

    def __init__(self, spec: Mapping[str, Any]):
        """Load ``spec``, a tokenizer.json; whatever the library cannot read raises ValueError."""
        self.spec = spec
        end = 1 + max((id_ for _, id_ in vocabulary(spec)), default=-1)
        clear = not any(set(END) & set(token["content"]) for token in added_tokens(spec))
        self._loaded = _from_json(_with_end(spec, end)) if _RELEASE_1 and clear else self.tokenizer
        joins = _RELEASE_1 and self.token(end) == END  # the library renumbers behind a gap
        self._encoder = Encoder(self._alone, partial(_batch, self._loaded) if joins else None, end)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The library's own object, for what is not on the way of the data."""
        return _from_json(self.spec)

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """Encode text (string or large_string [n], a null as the empty text): ids end to end, and lengths.

        ids int32 [tokens], lengths int64 [n]. Each text is encoded as if alone, on the library's threads.
        """
        data, offsets = text_buffers(texts)
        ids, begins, lengths = self.encode_places(data, offsets[:-1], offsets[1:])
        targets = np.cumsum(lengths) - lengths
        if np.array_equal(begins, targets):
            return ids, lengths
        out = np.empty_like(ids)
        copy_runs(ids, begins, lengths, targets, out)
        return out, lengths

    def encode_places(
        self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See ``joining.encode_places``."""
        return encode_places(self._encoder, data, starts, stops)

    def encode_alone(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encode texts that hold no END as ``encode`` does, without joining: what that is checked against."""
        runs = _batch(self._loaded, list(texts))
        return np.concatenate([np.zeros(0, np.uint32), *runs]).view(np.int32), np.array([*map(len, runs)])

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Decode ids, special tokens included; bytes that are not UTF-8 become U+FFFD."""
        return self._loaded.decode(ids, skip_special_tokens=False)

    def token(self, id_: int) -> str | None:
        """The token that the library has under an id, or None."""
        if _RELEASE_1:
            return next(iter(self._loaded.decode_tokens([id_])), None)
        return self._loaded.id_to_token(id_)

    def _alone(self, texts: list[str]) -> list[np.ndarray]:
        return _batch(self.tokenizer, texts)


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
    return {**spec, "added_tokens": [*added_tokens(spec), added_token(END, id_, special=False)]}


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
    if not _RELEASE_1:
        tokenizer.encode_special_tokens = True
    return tokenizer


def _batch(tokenizer: Tokenizer, texts: list[str]) -> list[np.ndarray]:
    if _RELEASE_1:
        how = {"add_special_tokens": False, "encode_special_tokens": True}
        if one_thread():  # a batch goes through threads of its own, whatever TOKENIZERS_PARALLELISM says
            return [tokenizer.encode(text, **how).ids_array for text in texts]
        return [encoding.ids_array for encoding in tokenizer.encode_batch(texts, **how)]
    # a Python int a token is the only way out of the older releases: let each list die before the next
    encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [np.array(encoding.ids, np.uint32) for encoding in encoded]
