"""Conversations to packed batches: tokenize, mask, fit, and prove that nothing moved on the way.

template  runs                             what a conversation's text is, and what of it is trained
library  batches  tokenizer_json            whichever release is installed; many texts in few calls
tokenizer                                  one tokenizer, pinned
vocabulary  round_trip  canaries           the bytes of its ids; proofs that it loses and changes nothing
train  words  pairs                        a vocabulary of one's own
encode  encode_runs  masks                 records to ids and masks; the proof
limits  cuts                               what is too long, and what can be done about it
fit  gather  gold                          documents to packs, packs to tables
boundaries  read  tokens_hash              what readers and auditors need of a gold table
"""

from toolkit.packing.boundaries import cu_seqlens, position_ids, seq_idx
from toolkit.packing.canaries import canaries, check_canaries
from toolkit.packing.encode import ENCODED, encode
from toolkit.packing.encode_runs import encode_runs
from toolkit.packing.fit import best_fit_decreasing
from toolkit.packing.fit_reference import best_fit_decreasing_reference
from toolkit.packing.gather import gather, gather_text
from toolkit.packing.gold import (
    GOLD_PREFERENCE,
    GOLD_RL,
    GOLD_SFT,
    pack_order,
    pack_table,
    preference_table,
    rl_table,
    with_metadata,
)
from toolkit.packing.limits import Limited, limit, nothing_trained, too_long
from toolkit.packing.masks import MaskFault, check_masks
from toolkit.packing.read import documents
from toolkit.packing.round_trip import CANARIES, verify_round_trip
from toolkit.packing.template import CONTROL_TOKENS, TEMPLATE, TEMPLATE_SHA256, Segment, render, rendered_text
from toolkit.packing.tokenizer import Pinned, load
from toolkit.packing.tokenizer_json import from_vocab
from toolkit.packing.tokens_hash import tokens_hash, tokens_hash_reference
from toolkit.packing.train import train

__all__ = [
    "CANARIES",
    "CONTROL_TOKENS",
    "ENCODED",
    "GOLD_PREFERENCE",
    "GOLD_RL",
    "GOLD_SFT",
    "TEMPLATE",
    "TEMPLATE_SHA256",
    "Limited",
    "MaskFault",
    "Pinned",
    "Segment",
    "best_fit_decreasing",
    "best_fit_decreasing_reference",
    "canaries",
    "check_canaries",
    "check_masks",
    "cu_seqlens",
    "documents",
    "encode",
    "encode_runs",
    "from_vocab",
    "gather",
    "gather_text",
    "limit",
    "load",
    "nothing_trained",
    "pack_order",
    "pack_table",
    "position_ids",
    "preference_table",
    "render",
    "rendered_text",
    "rl_table",
    "seq_idx",
    "tokens_hash",
    "tokens_hash_reference",
    "too_long",
    "train",
    "verify_round_trip",
    "with_metadata",
]
