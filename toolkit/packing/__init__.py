"""Conversations to packed batches: tokenize, mask, fit, and prove that nothing moved on the way.

chat      conversations to runs        templates in a sandbox, who wrote which character, what is trained
tokens    runs to ids and masks        one pinned tokenizer; what is too long
fitting   lengths to packs             which documents share a row
gold      packs to tables and batches  the files, their readers, epochs, ranks
proving   masks, ours and others'      four invariants, awkward conversations, the scoreboard
pytorch  huggingface                   doors to those libraries
"""

from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.runs import Runs
from toolkit.packing.chat.template import (
    CONTROL_TOKENS,
    READY,
    TEMPLATE,
    TEMPLATE_SHA256,
    Segment,
    Template,
    read_template,
    render,
    rendered_text,
)
from toolkit.packing.fitting.balanced import balanced
from toolkit.packing.fitting.bounds import fewest_packs_bound, least_spread
from toolkit.packing.fitting.concat_and_cut import Pieces, concat_and_cut
from toolkit.packing.fitting.fewest import fewest
from toolkit.packing.fitting.first_fit import first_fit_decreasing
from toolkit.packing.fitting.fit import best_fit_decreasing
from toolkit.packing.fitting.fit_reference import balanced_reference, best_fit_decreasing_reference
from toolkit.packing.fitting.next_fit import next_fit
from toolkit.packing.fitting.pack import METHODS, pack
from toolkit.packing.fitting.stream import Closed, pack_stream
from toolkit.packing.gold.batches import Packs, flattened, padded
from toolkit.packing.gold.boundaries import cu_seqlens, position_ids, seq_idx
from toolkit.packing.gold.epochs import epoch_order, repack
from toolkit.packing.gold.gold import (
    GOLD_PREFERENCE,
    GOLD_RL,
    GOLD_SFT,
    pack_order,
    pack_table,
    packed_table,
    preference_table,
    rl_table,
    with_metadata,
)
from toolkit.packing.gold.gold_reader import GoldReader, open_gold
from toolkit.packing.gold.read import documents
from toolkit.packing.gold.schedule import Schedule
from toolkit.packing.gold.tokens_hash import tokens_hash, tokens_hash_reference
from toolkit.packing.gold.write import write_gold
from toolkit.packing.proving.audit import Score, audit_masks
from toolkit.packing.proving.masks import MaskFault, check_masks
from toolkit.packing.tokens.canaries import canaries, check_canaries, check_canary_ids
from toolkit.packing.tokens.encode import ENCODED, encode
from toolkit.packing.tokens.encode_runs import encode_runs
from toolkit.packing.tokens.gather import gather, gather_into, gather_text
from toolkit.packing.tokens.limits import Limited, limit, nothing_trained, too_long
from toolkit.packing.tokens.round_trip import CANARIES, verify_round_trip
from toolkit.packing.tokens.tokenizer import Pinned, load
from toolkit.packing.tokens.tokenizer_json import from_vocab
from toolkit.packing.tokens.train import train

__all__ = [
    "CANARIES",
    "CONTROL_TOKENS",
    "ENCODED",
    "GOLD_PREFERENCE",
    "GOLD_RL",
    "GOLD_SFT",
    "METHODS",
    "READY",
    "TEMPLATE",
    "TEMPLATE_SHA256",
    "Closed",
    "GoldReader",
    "Limited",
    "MaskFault",
    "Packs",
    "Pieces",
    "Pinned",
    "Runs",
    "Schedule",
    "Score",
    "Segment",
    "Template",
    "audit_masks",
    "balanced",
    "balanced_reference",
    "best_fit_decreasing",
    "best_fit_decreasing_reference",
    "canaries",
    "check_canaries",
    "check_canary_ids",
    "check_masks",
    "concat_and_cut",
    "cu_seqlens",
    "documents",
    "encode",
    "encode_runs",
    "epoch_order",
    "fewest",
    "fewest_packs_bound",
    "first_fit_decreasing",
    "flattened",
    "from_vocab",
    "gather",
    "gather_into",
    "gather_text",
    "least_spread",
    "limit",
    "load",
    "next_fit",
    "nothing_trained",
    "open_gold",
    "pack",
    "pack_order",
    "pack_stream",
    "pack_table",
    "packed_table",
    "padded",
    "position_ids",
    "preference_table",
    "read_template",
    "render",
    "rendered_text",
    "repack",
    "rl_table",
    "runs_of",
    "seq_idx",
    "tokens_hash",
    "tokens_hash_reference",
    "too_long",
    "train",
    "verify_round_trip",
    "with_metadata",
    "write_gold",
]
