"""Gold in PyTorch: streams over ranks and workers, resumed; tables and collators."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from toolkit.errors import RequestError
from toolkit.packing.gold.batches import flattened, padded
from toolkit.packing.gold.gold_reader import open_gold
from toolkit.packing.gold.schedule import in_order

from .gold_folder import random_packs, random_pairs, write_gold, write_pairs, write_prompts

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from toolkit.packing import pytorch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # the libraries' own, which are not ours to mend


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake") / "gold" / "sft"
    return open_gold(write_gold(folder, random_packs(23, seed=2), rows_a_part=5))


def plain(batch):
    return {name: v.tolist() if isinstance(v, torch.Tensor | np.ndarray) else v for name, v in batch.items()}


def loaded(stream, workers=0, **more):
    return [plain(batch) for batch in DataLoader(stream, batch_size=None, num_workers=workers, **more)]


def expected(reader, epochs, **which):
    return [plain(batch) for epoch in range(epochs) for batch in reader.batches(epoch=epoch, **which)]


def test_a_stream_is_the_readers_batches_epoch_after_epoch(reader):
    stream = pytorch.GoldStream(reader, batch_size=2, seed=5, epochs=3, rank=1, world_size=2)
    whole = expected(reader, 3, seed=5, batch_size=2, rank=1, world_size=2)
    assert loaded(stream) == whole
    assert len(stream) == stream.total_steps == len(whole) == 15


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_batches_in_the_same_order(reader, workers):
    stream = pytorch.GoldStream(reader, batch_size=3, seed=1, epochs=2, remainder="keep", start_step=3)
    assert loaded(stream, workers) == expected(reader, 2, seed=1, batch_size=3, remainder="keep")[3:]


def test_workers_that_live_on_give_the_same_again(reader):
    stream = pytorch.GoldStream(reader, batch_size=4)
    loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True)
    assert [plain(b) for b in loader] == [plain(b) for b in loader] == expected(reader, 1, batch_size=4)


def test_spawned_workers_do_as_well_as_forked_ones(reader):
    stream = pytorch.GoldStream(reader, batch_size=8, form=partial(padded, pad_id=3))
    whole = expected(reader, 1, batch_size=8, form=partial(padded, pad_id=3))
    assert loaded(stream, 1, multiprocessing_context="spawn") == whole


def test_ranks_share_out_every_epoch_without_overlap(reader):
    streams = [pytorch.GoldStream(reader, 2, rank=r, world_size=3, remainder="keep") for r in range(3)]
    seen = [ids for stream in streams for batch in stream for ids in documents(batch)]
    assert sorted(seen) == sorted(ids for i in range(23) for ids in documents(reader.batch([i])))
    assert len({len(stream) for stream in streams}) == 1


def documents(batch):
    return [batch["input_ids"].reshape(-1)[a:b].tolist() for a, b in pairwise(batch["cu_seqlens"])]


@pytest.mark.parametrize("stop", [0, 1, 4, 9, 10])
def test_a_state_goes_on_where_it_was_saved(reader, stop):
    stream = pytorch.GoldStream(reader, batch_size=4, seed=2, epochs=2)
    batches = iter(stream)
    first = [plain(next(batches)) for _ in range(stop)]
    again = pytorch.GoldStream(reader, batch_size=4, seed=2, epochs=2)
    again.load_state_dict(stream.state_dict())
    assert first + loaded(again) == expected(reader, 2, seed=2, batch_size=4)


def test_a_state_by_steps_trained_goes_on_with_any_workers_and_as_many_ranks_of_other_sizes(reader):
    state = pytorch.GoldStream(reader, batch_size=4, seed=2).state_dict(step=3)
    halves = [pytorch.GoldStream(reader, batch_size=2, seed=2, rank=r, world_size=2) for r in range(2)]
    for stream in halves:
        stream.load_state_dict(state)
    left, right = loaded(halves[0], 2), loaded(halves[1])
    whole = expected(reader, 1, seed=2, batch_size=4, start_step=3)
    assert len(left) == len(right) == len(whole) == 2
    for a, b, both in zip(left, right, whole, strict=True):
        assert sorted(a["input_ids"][0] + b["input_ids"][0]) == sorted(both["input_ids"][0])


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("stop", [1, 3, 4, 8])
def test_a_stateful_loader_goes_on_where_it_was_saved(reader, workers, stop):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def loader():
        stream = pytorch.GoldStream(reader, batch_size=4, seed=2, epochs=2)
        return stateful.StatefulDataLoader(stream, batch_size=None, num_workers=workers)

    one, two = loader(), loader()
    batches = iter(one)
    first = [plain(next(batches)) for _ in range(stop)]
    two.load_state_dict(one.state_dict())
    assert first + [plain(batch) for batch in two] == expected(reader, 2, seed=2, batch_size=4)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 3},
        {"batch_size": 5},
        {"rank": 0, "world_size": 2},
        {"remainder": "keep"},
        {"order": in_order},
    ],
)
def test_a_state_of_another_run_is_refused(reader, other):
    state = pytorch.GoldStream(reader, batch_size=4).state_dict()
    with pytest.raises(RequestError, match="this state was saved with"):
        pytorch.GoldStream(reader, **({"batch_size": 4} | other)).load_state_dict(state)


def test_a_state_of_other_gold_is_refused(reader, tmp_path):
    other = open_gold(write_gold(tmp_path / "gold" / "sft", random_packs(23, seed=3), 5))
    with pytest.raises(RequestError, match="saved with gold ="):
        pytorch.GoldStream(other, 4).load_state_dict(pytorch.GoldStream(reader, 4).state_dict())


def test_a_workers_state_is_refused_in_another_worker(reader):
    stream = pytorch.GoldStream(reader, 4)
    stream.load_state_dict(stream.state_dict() | {"worker": 1, "workers": 2})
    with pytest.raises(RequestError, match="worker 1 of 2 and was loaded in worker 0 of 0"):
        next(iter(stream))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rank": 1}, "go together"),
        ({"rank": 2, "world_size": 2}, "rank must be in 0 .. 1"),
        ({"start_step": 99}, "step must be in 0 .. 5"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_before_it_starts(reader, wrong, message):
    with pytest.raises(RequestError, match=message):
        pytorch.GoldStream(reader, **({"batch_size": 4} | wrong))


def test_rank_and_world_come_from_torch_distributed_where_it_runs(reader, tmp_path):
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        stream = pytorch.GoldStream(reader, 4)
    finally:
        torch.distributed.destroy_process_group()
    assert (stream.rank, stream.world_size) == (0, 1)


@pytest.mark.parametrize("form", [flattened, padded])
def test_a_table_and_a_collator_make_the_readers_batches(reader, form):
    loader = DataLoader(
        pytorch.GoldTable(reader), batch_size=5, collate_fn=pytorch.GoldCollator(form), num_workers=1
    )
    assert [plain(batch) for batch in loader] == [
        plain(reader.batch(np.arange(start, min(start + 5, 23)), form)) for start in range(0, 23, 5)
    ]


def test_names_for_transformers_are_those_of_its_own_collator(reader):
    transformers = pytest.importorskip("transformers")
    table = pytorch.GoldTable(reader)
    rows = [{"input_ids": ids} for i in range(4) for ids in documents(reader.batch([i]))]
    theirs = transformers.DataCollatorWithFlattening(return_flash_attn_kwargs=True, return_seq_idx=True)(rows)
    ours = pytorch.GoldCollator(transformers=True)(table.__getitems__(range(4)))
    assert ours.pop("use_cache") is False
    same = theirs.keys() - {"labels"}
    assert {name: ours[name] for name in same}.keys() == ours.keys() - {"labels"}
    for name in same:
        assert np.array_equal(np.asarray(ours[name]), np.asarray(theirs[name])), name
        assert getattr(ours[name], "dtype", int) == getattr(theirs[name], "dtype", int), name


def test_pairs_stream_and_collate_alike(tmp_path):
    reader = open_gold(write_pairs(tmp_path / "gold" / "preference", random_pairs(6)))
    streamed = loaded(pytorch.GoldStream(reader, 3, order=in_order))
    loader = DataLoader(pytorch.GoldTable(reader), batch_size=3, collate_fn=pytorch.GoldCollator())
    assert [plain(batch) for batch in loader] == streamed
    assert streamed[0].keys() >= {"prompt_tokens", "labels"}


def test_prompts_stream_as_rows(tmp_path):
    reader = open_gold(write_prompts(tmp_path / "gold" / "rl"))
    stream = pytorch.GoldStream(reader, 2, remainder="keep")
    rows = [row for batch in DataLoader(stream, batch_size=None) for row in batch]
    assert sorted(row["answer"] for row in rows) == ["1", "2", "3", "4", "5"]
    with pytest.raises(RequestError, match="rl prompts"):
        pytorch.GoldTable(reader)
