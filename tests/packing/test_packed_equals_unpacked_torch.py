"""Packed training equals unpacked training, gradients included, in two layers of PyTorch and in Llama."""

import numpy as np
import pytest

from toolkit.packing.gold.batches import flattened, padded

from . import views
from .gold_folder import VOCAB
from .test_packed_equals_unpacked import CASES, read

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("default")  # the libraries' own, which are not ours to mend

LEAKS = ["no boundaries", "positions run on", "first tokens are targets"]


def trained(model, views_of_a_step, losses):
    """Losses at all targets, in order, and the gradient of their sum: what one step learns."""
    model.zero_grad()
    found = torch.cat([losses(model, *map(torch.from_numpy, view)) for view in views_of_a_step])
    if found.numel():
        found.sum().backward()
    return found.detach(), {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


def furthest(one, other):
    """The largest difference of any loss or any gradient; infinite if there are more of either."""
    (losses, grads), (losses2, grads2) = one, other
    if losses.shape != losses2.shape or grads.keys() != grads2.keys():
        return np.inf
    apart = [losses - losses2, *(grads[name] - grads2[name] for name in grads)]
    return max((float(d.abs().max()) for d in apart if d.numel()), default=0.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Matrices this small only wait for each other on many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny():
    from . import tiny_transformer

    torch.manual_seed(0)
    return tiny_transformer


@pytest.mark.parametrize("packs", CASES.values(), ids=CASES)
@pytest.mark.parametrize("view", [views.by_cu_seqlens, views.by_seq_idx])
def test_losses_and_gradients_are_those_of_the_documents_alone(tiny, packs, tmp_path, view):
    model = tiny.Decoder(VOCAB)
    unpacked = trained(model, [views.alone(d) for pack in packs for d in pack], tiny.losses)
    assert furthest(trained(model, [view(read(packs, tmp_path))], tiny.losses), unpacked) <= 1e-9


@pytest.mark.parametrize("packs", CASES.values(), ids=CASES)
def test_padding_changes_neither_losses_nor_gradients(tiny, packs, tmp_path):
    model = tiny.Decoder(VOCAB)
    batch = read(packs, tmp_path, lambda these: padded(these, pad_id=1, length=80))
    unpacked = trained(model, [views.alone(d) for pack in packs for d in pack], tiny.losses)
    assert furthest(trained(model, [views.by_cu_seqlens(batch)], tiny.losses), unpacked) <= 1e-9


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_far_from_the_documents_alone(tiny, tmp_path, leak):
    packs, model = CASES["seed 0"], tiny.Decoder(VOCAB)
    unpacked = trained(model, [views.alone(d) for pack in packs for d in pack], tiny.losses)
    leaking = views.leaks(read(packs, tmp_path), packs)[leak]
    assert furthest(trained(model, [leaking], tiny.losses), unpacked) > 1e-3


def test_rotary_positions_alone_do_not_mind_where_a_document_starts(tiny, tmp_path):
    """RoPE sees differences of positions only. So this leak is harmless there, and boundaries matter more."""
    packs, model = CASES["seed 0"], tiny.Decoder(VOCAB, learned=False)
    unpacked = trained(model, [views.alone(d) for pack in packs for d in pack], tiny.losses)
    found = views.leaks(read(packs, tmp_path), packs)
    assert furthest(trained(model, [found["positions run on"]], tiny.losses), unpacked) <= 1e-9
    assert furthest(trained(model, [found["no boundaries"]], tiny.losses), unpacked) > 1e-3


@pytest.fixture(scope="module")
def llama():
    """Two layers of Llama as transformers has them; its eager attention works in float32, so not that."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlamaConfig(vocab_size=VOCAB, num_key_value_heads=1, **sizes)
    config._attn_implementation = "sdpa"
    return transformers.LlamaForCausalLM(config).double()


def llama_losses(model, labels, **batch):
    """As the models' own loss shifts and ignores, but in float64, which theirs is not."""
    logits, targets = model(**batch).logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    every = torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="none")
    return every[targets != -100]


def llama_trained(model, batches):
    model.zero_grad()
    found = torch.cat([llama_losses(model, **batch) for batch in batches])
    found.sum().backward()
    return found.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


def llama_alone(model, packs):
    """The oracle: ids and labels of each document, and nothing else, in the model."""
    shown = (views.alone(document)[::2] for pack in packs for document in pack)
    rows = [[torch.from_numpy(array)[None] for array in both] for both in shown]
    return llama_trained(model, [{"input_ids": ids, "labels": labels} for ids, labels in rows])


def for_llama(packs, folder, form=flattened):
    from toolkit.packing.pytorch import as_tensors

    return as_tensors(read(packs, folder, form), transformers=True)


@pytest.mark.parametrize("form", [flattened, padded])
@pytest.mark.parametrize("seed", [0, 1])
def test_llama_learns_from_a_packed_batch_what_it_learns_from_the_documents(llama, tmp_path, form, seed):
    packs = CASES[f"seed {seed}"]
    packed = llama_trained(llama, [for_llama(packs, tmp_path, form)])
    assert furthest(packed, llama_alone(llama, packs)) <= 1e-9


WRONG = {
    "attention_mask": torch.ones_like,
    "use_cache": lambda ids: True,
    "position_ids": lambda ids: torch.arange(ids.numel())[None],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_llama_look_across_boundaries_is_found(llama, tmp_path, name):
    packs = CASES["seed 0"]
    batch = for_llama(packs, tmp_path)
    batch[name] = WRONG[name](batch["input_ids"])
    assert furthest(llama_trained(llama, [batch]), llama_alone(llama, packs)) > 1e-3
