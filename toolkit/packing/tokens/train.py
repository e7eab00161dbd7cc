"""Train a byte-level BPE vocabulary: small, lossless, and the same bytes from the same texts.

Byte-pair encoding starts from the 256 bytes and merges, again and again, the pair of
neighbours that occurs most often: each merge is one new token, so a vocabulary of V tokens is
V - 256 - 3 merges after the alphabet and the control tokens. Starting from all bytes is what
makes any text encodable, seen in training or not.

A larger V gives shorter sequences and a larger embedding; 8,192 suits small models and tests.
The counts are exact and ties fall to the smaller pair of ids, so neither the order of the texts
nor anything else but their words and V changes the outcome.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from toolkit.errors import RequestError
from toolkit.packing.chat.template import CONTROL_TOKENS
from toolkit.packing.tokens.pairs import Pairs
from toolkit.packing.tokens.tokenizer_json import byte_level_bpe
from toolkit.packing.tokens.vocabulary import byte_alphabet
from toolkit.packing.tokens.words import count_words


def train(texts: Iterable[str], vocab_size: int = 8192, control: Sequence[str] = CONTROL_TOKENS) -> bytes:
    """Train on ``texts`` and return the bytes of a tokenizer.json of at most ``vocab_size`` tokens.

    Control tokens get the first ids, then come the bytes, then the merges in order. Fewer tokens come
    out when the texts have no pair left that occurs twice. Raises RequestError when ``vocab_size``
    is below the bytes and the control tokens alone.
    Method: Sennrich et al. 2016 (BPE), Radford et al. 2019 (byte level, GPT-2's splitting rule).
    """
    smallest = 256 + len(control)
    if vocab_size < smallest:
        raise RequestError(f"vocab_size {vocab_size} is below {smallest}, the bytes and the control tokens.")
    # the library sorts the alphabet by character, and so did every vocabulary that it trained
    tokens = [*control, *sorted(byte_alphabet())]
    merges = _merge(texts, tokens, vocab_size)
    vocab = {token: i for i, token in enumerate(tokens)}
    return json.dumps(byte_level_bpe(vocab, merges, control)).encode()


def _merge(texts: Iterable[str], tokens: list[str], vocab_size: int) -> list[list[str]]:
    """Merge the most frequent pair until ``tokens``, which grows, has ``vocab_size``; return the merges."""
    ids = {token: i for i, token in enumerate(tokens)}
    pairs = Pairs(*count_words(texts), np.array([ids[c] for c in byte_alphabet()], np.int32), vocab_size)
    heap = [(-count, *pair) for count, *pair in pairs.all()]
    heapify(heap)
    merges = []
    while heap and len(tokens) < vocab_size:
        count, first, second, pair = heappop(heap)
        now = pairs.count(pair)
        if now < 2 or now != -count:
            # counts fall while pairs wait: put back what still occurs, under the count that it has
            if 2 <= now < -count:
                heappush(heap, (-now, first, second, pair))
            continue
        merged = tokens[first] + tokens[second]
        known = merged in ids
        id_ = ids.setdefault(merged, len(tokens))
        if not known:
            tokens.append(merged)
        merges.append([tokens[first], tokens[second]])
        for count, *grown in pairs.merge(pair, id_, known):
            heappush(heap, (-count, *grown))
    return merges
