"""Pin a tokenizer: the exact file, what was switched off in it, and the ids of the control tokens.

A token id means nothing without the file that made it, so gold data names that file by its
sha256. ``load`` switches off what is right for chatting and wrong for data, says which, adds
the control tokens that the file lacks after its own ids, and refuses a tokenizer that still
loses text, whose ids the library would renumber, or in which a user could write control tokens.

In content, special tokens are text, and the control tokens are made special if the file had
them as plain ones; control ids are put in by number, never by spelling. Other added tokens that
the file calls not special (``<think>``) stay ordinary vocabulary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from toolkit.errors import RequestError
from toolkit.packing.library import Library, added_tokens, vocabulary
from toolkit.packing.round_trip import verify_round_trip
from toolkit.packing.template import CONTROL_TOKENS, END_OF_TEXT, IM_END, IM_START
from toolkit.packing.tokenizer_json import add_control, not_a_tokenizer, parse, read, switch_off
from toolkit.packing.vocabulary import TokenBytes, token_bytes


@dataclass(frozen=True)
class Pinned:
    """A tokenizer whose bytes are known and whose side effects are off."""

    library: Library = field(repr=False)
    data: bytes = field(repr=False)  # the tokenizer.json in use
    sha256: str  # of the tokenizer.json bytes as given
    vocab_size: int  # largest id + 1: the rows an embedding needs
    control: dict[str, int]  # control token -> id, in the order asked for
    pad_token: str
    added: tuple[str, ...]  # control tokens that the file lacked
    disabled: tuple[str, ...]  # settings of the file that were switched off

    @property
    def tokenizer(self) -> Tokenizer:
        """The library's own object; its methods differ from release to release."""
        return self.library.tokenizer

    @property
    def im_start(self) -> int:
        """Id that opens a ChatML message."""
        return self.control[IM_START]

    @property
    def im_end(self) -> int:
        """Id that closes a ChatML message: the stop token of an assistant turn."""
        return self.control[IM_END]

    @property
    def pad(self) -> int:
        """Id a reader may pad with; with ChatML ``<|endoftext|>``, which the template never uses."""
        return self.control[self.pad_token]

    @cached_property
    def bytes_of(self) -> TokenBytes:
        """The bytes that each id stands for."""
        return token_bytes(self.library.spec)

    def decode(self, ids: Sequence[int]) -> str:
        """Decode ids, control tokens included."""
        return self.library.decode(ids)

    def to_bytes(self) -> bytes:
        """Return the tokenizer.json in use: the given file, less what was disabled, plus what was added."""
        return self.data

    @property
    def used_sha256(self) -> str:
        """Sha256 of ``to_bytes()``."""
        return hashlib.sha256(self.data).hexdigest()


def load(
    source: str | Path | bytes, control: Sequence[str] = CONTROL_TOKENS, pad: str = END_OF_TEXT
) -> Pinned:
    """Load a tokenizer.json, from a path or from its bytes, and pin it.

    ``control``: the control tokens that the chat template needs; ``pad``: the token to pad with, one
    of them or one more. Raises RequestError when the file is missing, is no tokenizer.json, keeps
    ids that the library would renumber, or is lossy (see ``verify_round_trip``).
    """
    known = isinstance(source, bytes)
    name, data = ("the tokenizer given as bytes", source) if known else (str(source), read(Path(source)))
    return _load(name, data, tuple(control), pad)


@lru_cache(maxsize=1)  # a run asks for it twice: whether it will do, and then to use it
def _load(name: str, data: bytes, control: tuple[str, ...], pad: str) -> Pinned:
    spec = parse(name, data)
    before = list(added_tokens(spec))
    disabled = switch_off(spec)
    wanted = tuple(dict.fromkeys([*control, pad]))
    added = add_control(spec, wanted)
    try:
        library = Library(spec)
    except ValueError as error:
        raise not_a_tokenizer(name, error) from error
    _check_ids(name, library)
    verify_round_trip(library, name)
    ids = dict(vocabulary(spec))
    return Pinned(
        library=library,
        data=json.dumps(spec).encode() if disabled or added_tokens(spec) != before else data,
        sha256=hashlib.sha256(data).hexdigest(),
        vocab_size=1 + max(ids.values()),
        control={token: ids[token] for token in wanted},
        pad_token=pad,
        added=tuple(added),
        disabled=tuple(disabled),
    )


def _check_ids(name: str, library: Library) -> None:
    for token in added_tokens(library.spec):
        if (found := library.token(token["id"])) != token["content"]:
            raise RequestError(
                f"{name}: the token {token['content']!r} has id {token['id']} in the file, and once loaded "
                f"that id is {'no token' if found is None else repr(found)}: the ids leave a gap or meet "
                "twice. Fill the gap with reserved tokens, and give each token an id of its own."
            )
