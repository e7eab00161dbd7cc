"""Train a byte-level BPE vocabulary: small, lossless, and the same bytes from the same texts.

Byte-pair encoding starts from the 256 bytes and merges, again and again, the pair of
neighbours that occurs most often: each merge is one new token, so a vocabulary of V tokens is
V - 256 - 3 merges after the alphabet and the control tokens. Starting from all bytes is what
makes any text encodable, seen in training or not.

A larger V gives shorter sequences and a larger embedding; 8,192 suits small models and tests.
The counts are exact and ties fall to the smaller pair of ids, so neither the threads nor the
order in which the texts arrive changes the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from toolkit.errors import RequestError
from toolkit.packing.template import CONTROL_TOKENS

SMALLEST = 256 + len(CONTROL_TOKENS)


def train(texts: Iterable[str], vocab_size: int = 8192) -> bytes:
    """Train on ``texts`` and return the bytes of a tokenizer.json of at most ``vocab_size`` tokens.

    Control tokens get the ids 0, 1, 2, then the bytes, then the merges in order. Fewer tokens come
    out when the texts have no pair left that occurs twice. Raises RequestError when ``vocab_size``
    is below 259, which holds the bytes and the control tokens alone.
    Method: Sennrich et al. 2016 (BPE), Radford et al. 2019 (byte level, GPT-2's splitting rule).
    """
    if vocab_size < SMALLEST:
        raise RequestError(f"vocab_size {vocab_size} is below {SMALLEST}, the bytes and the control tokens.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str().encode()
