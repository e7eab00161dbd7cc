"""Conversations to packed batches: tokenize, mask, fit, and prove that nothing moved on the way.

template  tokenizer  train  round_trip     what a conversation's text is, and its ids
encode  masks  limits                      records to ids and masks; the proof; what is left out
pack  fit  first_fit  fewest  balanced     lengths to packs: the door, and the ways behind it
next_fit  concat_and_cut  bounds           two for teaching; what no packing can beat
stream  epochs                             lengths without end; the order of packs in each epoch
gather  gold                               packs to tables
boundaries  read  tokens_hash              what readers and auditors need of a gold table
"""

from toolkit.packing.balanced import balanced
from toolkit.packing.boundaries import cu_seqlens, position_ids, seq_idx
from toolkit.packing.bounds import fewest_packs_bound, least_spread
from toolkit.packing.concat_and_cut import Pieces, concat_and_cut
from toolkit.packing.encode import ENCODED, encode
from toolkit.packing.epochs import epoch_order, repack
from toolkit.packing.fewest import fewest
from toolkit.packing.first_fit import first_fit_decreasing
from toolkit.packing.fit import best_fit_decreasing
from toolkit.packing.fit_reference import balanced_reference, best_fit_decreasing_reference
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
from toolkit.packing.limits import nothing_trained, too_long
from toolkit.packing.masks import MaskFault, check_masks
from toolkit.packing.next_fit import next_fit
from toolkit.packing.pack import METHODS, pack
from toolkit.packing.read import documents
from toolkit.packing.round_trip import CANARIES, verify_round_trip
from toolkit.packing.stream import Closed, pack_stream
from toolkit.packing.template import CONTROL_TOKENS, TEMPLATE, TEMPLATE_SHA256, Segment, render, rendered_text
from toolkit.packing.tokenizer import Pinned, from_vocab, load
from toolkit.packing.tokens_hash import tokens_hash, tokens_hash_reference
from toolkit.packing.train import train

__all__ = [
    "CANARIES",
    "CONTROL_TOKENS",
    "ENCODED",
    "GOLD_PREFERENCE",
    "GOLD_RL",
    "GOLD_SFT",
    "METHODS",
    "TEMPLATE",
    "TEMPLATE_SHA256",
    "Closed",
    "MaskFault",
    "Pieces",
    "Pinned",
    "Segment",
    "balanced",
    "balanced_reference",
    "best_fit_decreasing",
    "best_fit_decreasing_reference",
    "check_masks",
    "concat_and_cut",
    "cu_seqlens",
    "documents",
    "encode",
    "epoch_order",
    "fewest",
    "fewest_packs_bound",
    "first_fit_decreasing",
    "from_vocab",
    "gather",
    "gather_text",
    "least_spread",
    "load",
    "next_fit",
    "nothing_trained",
    "pack",
    "pack_order",
    "pack_stream",
    "pack_table",
    "position_ids",
    "preference_table",
    "render",
    "rendered_text",
    "repack",
    "rl_table",
    "seq_idx",
    "tokens_hash",
    "tokens_hash_reference",
    "too_long",
    "train",
    "verify_round_trip",
    "with_metadata",
]
