"""Packed training equals unpacked training: the same loss at every target, and leaks are found.

A model of one attention layer in NumPy; test_packed_equals_unpacked_torch.py has gradients too.
"""

import numpy as np
import pytest

from toolkit.packing.gold.batches import flattened, padded
from toolkit.packing.gold.gold_reader import open_gold

from . import views
from .gold_folder import VOCAB, random_packs, write_gold
from .tiny_attention import losses, parameters

PARAMETERS = parameters(VOCAB)
SHORT = [{"name": "one", "ids": [3], "mask": [True]}, {"name": "two", "ids": [4, 5], "mask": [True, True]}]
CASES = {f"seed {seed}": random_packs(5, seed) for seed in range(4)} | {
    "documents of one token and two": [SHORT, SHORT[:1], [*SHORT, *SHORT]],
    "one document": random_packs(1, most=1),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def packs(request):
    return request.param


def read(packs, folder, form=flattened):
    """The batch of all packs, in their order, through files and reader."""
    return open_gold(write_gold(folder / "gold" / "sft", packs)).batch(np.arange(len(packs)), form)


def loss(view):
    ids, positions, labels, may_look = view
    return losses(PARAMETERS, ids, positions, labels, may_look)


def unpacked(packs):
    """The oracle: each document alone in the model."""
    return np.concatenate([loss(views.alone(d)) for pack in packs for d in pack])


def agree(a, b):
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= 1e-9))


@pytest.mark.parametrize("view", [views.by_cu_seqlens, views.by_seq_idx])
def test_every_target_has_the_loss_of_its_document_alone(packs, tmp_path, view):
    assert agree(loss(view(read(packs, tmp_path))), unpacked(packs))


def test_padding_changes_no_loss(packs, tmp_path):
    batch = read(packs, tmp_path, lambda these: padded(these, pad_id=1, length=80))
    assert agree(loss(views.by_cu_seqlens(batch)), unpacked(packs))


@pytest.mark.parametrize("leak", ["no boundaries", "positions run on", "first tokens are targets"])
def test_a_leak_is_found(tmp_path, leak):
    packs = CASES["seed 0"]
    assert not agree(loss(views.leaks(read(packs, tmp_path), packs)[leak]), unpacked(packs))
