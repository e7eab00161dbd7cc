"""The mask that transformers returns for a chat, as a way of masking to be audited.

``apply_chat_template(..., return_assistant_tokens_mask=True)`` trains what ``{% generation %}`` covers.
A tokenizer of bytes with the template's control tokens as special ones stands in for a model's, so
that the bytes of every token are known.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from toolkit.errors import RequestError
from toolkit.packing.chat.template import Template
from toolkit.packing.chat.turns import views
from toolkit.packing.proving.invariants import Bit, bits_of_ids
from toolkit.packing.proving.ways import Messages, Way


def transformers_mask(marked: dict[str, Template] | None = None) -> Way:
    """Return the way; ``marked``: the template to use in place of each, by name, if any.

    Raises RequestError if transformers is not installed.
    """
    try:
        from transformers import PreTrainedTokenizerFast
    except ImportError as error:
        raise RequestError("this way of masking needs transformers: pip install transformers") from error

    def way(template: Template, messages: Messages) -> list[Bit]:
        used = (marked or {}).get(template.name, template)
        special = [t for t in dict.fromkeys([*used.control, used.bos, used.eos]) if t]
        inner = _byte_tokenizer(special)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=inner, bos_token=used.bos or None, eos_token=used.eos
        )
        out = tokenizer.apply_chat_template(
            views(list(messages)),
            chat_template=used.source,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        control = {inner.token_to_id(token): token for token in special}
        return bits_of_ids(out["input_ids"], out["assistant_masks"], lambda ids: _spell(inner, ids), control)

    return way


def _byte_tokenizer(control: Sequence[str]) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({character: i for i, character in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return inner


def _spell(inner: Tokenizer, ids: Sequence[int]) -> list[bytes]:
    """Return the byte of each id: the alphabet of ``ByteLevel`` in the order of its bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    of = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(rest)}
    return [bytes(of.get(c, 0) for c in inner.id_to_token(i)) for i in ids]
