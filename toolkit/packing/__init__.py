"""Conversations to packed batches: tokenize, mask, fit, and prove that nothing moved on the way.

template  conversations  runs              what a conversation's text is, and what of it is trained
sandbox*  traced  renderer                 a template at work: what it may do, and who wrote what
align  skeleton  predict  turns            each character of a rendering to its message
unseen  blind  blind_budget  proof         what no template looked at need not be rendered
messages  edges  fill  rendered            conversations as buffers; the two ways to their runs
library  joining  tokenizer  tokenizer_json  one tokenizer, pinned, in whichever release is installed
vocabulary  round_trip  canaries           the bytes of its ids; proofs that it loses and changes nothing
train  words  pairs                        a vocabulary of one's own
encode  encode_runs                        records to ids and masks
masks  invariants  audit  awkward  ways    the proof of masks: ours, and other people's
limits  cuts                               what is too long, and what can be done about it
pack  fit  first_fit  fewest  balanced     lengths to packs: the door, and the ways behind it
next_fit  concat_and_cut  bounds           two for teaching; what no packing can beat
stream  epochs  schedule                   lengths without end; the order of packs; who takes which
gather  gold  gold_parts  gold_reader      packs to tables, and tables to batches
batches  pytorch  huggingface              what a trainer is given
boundaries  read  tokens_hash              what readers and auditors need of a gold table
"""

from toolkit.packing.audit import Score, audit_masks
from toolkit.packing.balanced import balanced
from toolkit.packing.batches import Packs, flattened, padded
from toolkit.packing.boundaries import cu_seqlens, position_ids, seq_idx
from toolkit.packing.bounds import fewest_packs_bound, least_spread
from toolkit.packing.canaries import canaries, check_canaries, check_canary_ids
from toolkit.packing.concat_and_cut import Pieces, concat_and_cut
from toolkit.packing.conversations import runs_of
from toolkit.packing.encode import ENCODED, encode
from toolkit.packing.encode_runs import encode_runs
from toolkit.packing.epochs import epoch_order, repack
from toolkit.packing.fewest import fewest
from toolkit.packing.first_fit import first_fit_decreasing
from toolkit.packing.fit import best_fit_decreasing
from toolkit.packing.fit_reference import balanced_reference, best_fit_decreasing_reference
from toolkit.packing.gather import gather, gather_text, only
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
from toolkit.packing.gold_reader import GoldReader, open_gold
from toolkit.packing.limits import Limited, limit, nothing_trained, too_long
from toolkit.packing.masks import MaskFault, check_masks
from toolkit.packing.next_fit import next_fit
from toolkit.packing.pack import METHODS, pack
from toolkit.packing.read import documents
from toolkit.packing.round_trip import CANARIES, verify_round_trip
from toolkit.packing.runs import Runs
from toolkit.packing.schedule import Schedule
from toolkit.packing.stream import Closed, pack_stream
from toolkit.packing.template import (
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
    "gather_text",
    "least_spread",
    "limit",
    "load",
    "next_fit",
    "nothing_trained",
    "only",
    "open_gold",
    "pack",
    "pack_order",
    "pack_stream",
    "pack_table",
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
]
