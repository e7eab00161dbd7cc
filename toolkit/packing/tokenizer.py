"""Pin a tokenizer: the exact file, what was switched off in it, and the ids of the control tokens.

A token id means nothing without the file that made it, so gold data names that file by its
sha256. A tokenizer.json also carries settings that are right for chatting and wrong for data:
truncation, padding, templates that add tokens, Unicode normalisation, a space put in front,
merges dropped at random. ``load`` switches these off, says which, adds the control tokens that
the file lacks after its own ids, and refuses a tokenizer that still loses text.

In content, special tokens are text (``encode_special_tokens``), and the control tokens are made
special if the file had them as plain ones; control ids are put in by number, never by spelling.
Other added tokens that the file calls not special (``<think>``) stay ordinary vocabulary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from toolkit.errors import RequestError
from toolkit.packing.round_trip import verify_round_trip
from toolkit.packing.template import CONTROL_TOKENS, END_OF_TEXT, IM_END, IM_START

_UNICODE_FORMS = {"NFC", "NFD", "NFKC", "NFKD"}
_PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


@dataclass(frozen=True)
class Pinned:
    """A tokenizer whose bytes are known and whose side effects are off."""

    tokenizer: Tokenizer = field(repr=False)
    sha256: str  # of the tokenizer.json bytes as given
    vocab_size: int  # largest id + 1: the rows an embedding needs
    control: dict[str, int]  # control token -> id
    added: tuple[str, ...]  # control tokens that the file lacked
    disabled: tuple[str, ...]  # settings of the file that were switched off

    @property
    def im_start(self) -> int:
        """Id that opens a message."""
        return self.control[IM_START]

    @property
    def im_end(self) -> int:
        """Id that closes a message: the stop token of an assistant turn."""
        return self.control[IM_END]

    @property
    def pad(self) -> int:
        """Id a reader may pad with: ``<|endoftext|>``, which the template never uses."""
        return self.control[END_OF_TEXT]

    def to_bytes(self) -> bytes:
        """Return the tokenizer.json in use: the given file, less what was disabled, plus what was added."""
        return self.tokenizer.to_str().encode()

    @property
    def used_sha256(self) -> str:
        """Sha256 of ``to_bytes()``."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def load(source: str | Path | bytes) -> Pinned:
    """Load a tokenizer.json, from a path or from its bytes, and pin it.

    Raises RequestError when the file is missing, is no tokenizer.json, keeps ids that the library
    would renumber, or is lossy (see ``verify_round_trip``).
    """
    name, data = (
        ("the tokenizer given as bytes", source) if isinstance(source, bytes) else _read(Path(source))
    )
    spec, disabled = _parse(name, data)
    try:
        tokenizer = Tokenizer.from_str(json.dumps(spec))
    except Exception as error:  # the library raises bare Exception
        raise _not_a_tokenizer(name, error) from error
    for token in spec.get("added_tokens", []):
        if tokenizer.token_to_id(token["content"]) != token["id"]:
            raise RequestError(
                f"{name}: the token {token['content']!r} has id {token['id']} in the file and "
                f"{tokenizer.token_to_id(token['content'])} once loaded: the ids leave a gap. "
                "Fill the gap with reserved tokens."
            )
    known = {token["content"] for token in spec.get("added_tokens", [])}
    added = tuple(t for t in CONTROL_TOKENS if tokenizer.token_to_id(t) is None)
    missing = [AddedToken(t, special=True, normalized=False) for t in CONTROL_TOKENS if t not in known]
    tokenizer.add_special_tokens(missing)
    return _pin(name, data, tokenizer, added, disabled)


def from_vocab(vocab: str | Path, merges: str | Path) -> bytes:
    """Return tokenizer.json bytes for a byte-level BPE given as vocab.json and merges.txt (GPT-2)."""
    for path in (vocab, merges):
        _read(Path(path))
    try:
        model = models.BPE(*models.BPE.read_file(str(vocab), str(merges)))
    except Exception as error:  # the library raises bare Exception
        raise _not_a_tokenizer(f"{vocab} and {merges}", error) from error
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str().encode()


def _pin(name: str, data: bytes, tokenizer: Tokenizer, added: tuple[str, ...], disabled: list[str]) -> Pinned:
    tokenizer.encode_special_tokens = True
    control = {token: tokenizer.token_to_id(token) for token in CONTROL_TOKENS}
    verify_round_trip(tokenizer, name)
    size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    return Pinned(tokenizer, hashlib.sha256(data).hexdigest(), size, control, added, tuple(disabled))


def _read(path: Path) -> tuple[str, bytes]:
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise RequestError(
            f"{path}: cannot read the tokenizer ({error.strerror}). Give the path of a tokenizer.json, "
            "or leave it out to train one on the data."
        ) from error


def _not_a_tokenizer(name: str, error: Exception) -> RequestError:
    return RequestError(
        f"{name}: not a tokenizer.json of the tokenizers library ({error}). Give the whole file as "
        "published with the model, or train one with toolkit.packing.train."
    )


def _parse(name: str, data: bytes) -> tuple[dict, list[str]]:
    """Return the file's JSON without the settings that change text, and the names of those found."""
    try:
        spec = json.loads(data)
    except ValueError as error:
        raise _not_a_tokenizer(name, error) from error
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), dict):
        raise _not_a_tokenizer(name, ValueError('no "model" in it'))
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
    for token in spec.get("added_tokens") or []:
        if token.get("content") in CONTROL_TOKENS:
            token.update(_PLAIN)
    return spec, disabled


def _drop_unicode_forms(spec: dict) -> list[str]:
    """Remove Unicode normal forms; leave other normalisers, on which a vocabulary may depend."""
    forms = [part["type"] for part in _parts(spec.get("normalizer")) if part.get("type") in _UNICODE_FORMS]
    if forms and spec["normalizer"]["type"] in _UNICODE_FORMS:
        spec["normalizer"] = None
    elif forms:
        rest = [p for p in spec["normalizer"]["normalizers"] if p.get("type") not in _UNICODE_FORMS]
        spec["normalizer"]["normalizers"] = rest
    return forms


def _parts(step: dict | None) -> Iterator[dict]:
    """Yield a pipeline step, or the steps of a sequence."""
    if step:
        yield step
        for key in ("normalizers", "pretokenizers"):
            for part in step.get(key) or []:
                yield from _parts(part)
