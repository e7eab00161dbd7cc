"""Streams of text: the same bytes from pieces of any size, and whatever becomes of the memory."""

import gc
import random
from functools import partial

import imitation
import numpy as np
import pyarrow as pa
import pytest
from hostile import needs_compiler

from toolkit import dedup
from toolkit.kernels import Device, device, pick, text_buffers, using
from toolkit.kernels.cuda import stream
from toolkit.kernels.cuda.lane import Lane

pytestmark = needs_compiler
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "MAT",
    "_x_",
    "\u00e9t\u00e9",
    "\u4e2d\u6587",
    "don't",
    "0",
    "long" * 9,
]
HOSTILE = ["", " ", "a", "\x00", "", "caf\u00e9", "\u4e2d\u6587\u5b57" * 20, "x" * 700, "w " * 300, "\t\n"]


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(1)
    made = [" ".join(draw.choices(WORDS, k=draw.randrange(60))) for _ in range(40)]
    made = HOSTILE + made + made[:10] + HOSTILE
    return pa.array(["not of the slice", *made, "nor this"], pa.large_string()).slice(1, len(made))


INDEX = dedup.build_index(
    pa.array(["the cat sat on a mat 0 don't the", "sat on a", "w w w w w w w w w w w w w w"]), 6, 2
)
PLAN = dedup.plan_bands(0.8, k_max=32)


def everything(texts):
    """What all dispatched functions say of some texts, as one list of arrays."""
    normal = dedup.normalise(texts)
    found = [*dedup.shingle_sets(normal, "word:2"), *dedup.shingle_sets(normal, "byte:5")]
    sets = found[:2]
    for scheme in ("affine-1", "rounds-1"):
        for shingle in ("word:2", "byte:5"):
            found.append(dedup.sketch(normal, shingle, 32, 3, scheme))
        found.append(dedup.sketch_sets(*sets, 33, 3, scheme))
    keys = dedup.band_keys(found[4], PLAN)
    docs = np.flatnonzero(~dedup.is_empty(normal))
    pairs = dedup.bucket_pairs(keys[docs, 0], docs)
    at = pairs.pairs
    shared, union = dedup.jaccard(*sets, at)
    near = shared * 2 >= union
    found += [keys, pairs.packed, pairs.crowd, shared, union, dedup.agreement(found[4], at)]
    found += [dedup.choose(len(texts), at[near], shared[near], union[near]), dedup.components(len(texts), at)]
    data, offsets = text_buffers(normal)
    found += [data[offsets[0] : offsets[-1]], offsets - offsets[0]]
    table = dedup.find(INDEX, texts)
    return [*found, *(table[name].to_numpy() for name in ("row", "item", "words", "coverage"))]


def same(found, wanted):
    assert len(found) == len(wanted)
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one.dtype == other.dtype, number
        assert one.tolist() == other.tolist(), number


@pytest.fixture(scope="module")
def wanted(texts):
    with using(Device("cpu", "")):
        return everything(texts)


@pytest.mark.parametrize("budget", [None, 1, 3000, 50_000])
def test_pieces_of_any_size_give_the_same_bytes(texts, wanted, budget):
    with using(Device("host", "", budget)):
        same(everything(texts), wanted)


@pytest.fixture
def card(monkeypatch):
    """CuPy in imitation, and nothing too small for it."""
    monkeypatch.setattr(device, "LEAST", 0)
    device._open.cache_clear()
    with imitation.installed(monkeypatch) as cupy:
        yield cupy
    device._open.cache_clear()


def test_the_cards_door_gives_the_same_bytes(card, texts, wanted):
    with using(pick("cuda")):
        same(everything(texts), wanted)
    gc.collect()
    assert imitation.POOL.used == 0


@pytest.mark.parametrize("budget", [2000, 20_000, 200_000])
def test_no_more_memory_is_taken_than_the_budget_and_the_bytes_are_the_same(card, texts, wanted, budget):
    with using(pick("cuda", budget)):
        same(everything(texts), wanted)
    assert 0 < imitation.POOL.peak <= budget
    assert imitation.POOL.failed > 0 or budget == 200_000


@pytest.mark.parametrize("seed", range(3))
def test_memory_that_fails_at_random_loses_nothing(card, texts, wanted, seed):
    imitation.POOL.fail = partial(lambda draw: draw.random() < 0.02, random.Random(seed))
    with using(pick("cuda", 100_000)):
        same(everything(texts), wanted)
    assert imitation.POOL.failed > 3


def test_two_lanes_are_under_way_at_once(card, texts, monkeypatch):
    monkeypatch.setattr(stream, "MOST", 1000)
    seen = []
    start, land = Lane.start, Lane.land
    monkeypatch.setattr(Lane, "start", lambda lane, *a: seen.append(("start", lane)) or start(lane, *a))
    monkeypatch.setattr(Lane, "land", lambda lane, *a: seen.append(("land", lane)) or land(lane, *a))
    with using(pick("cuda")):
        dedup.sketch(texts, "word:2", 8)
    kinds = [kind for kind, _ in seen]
    assert kinds[:3] == ["start", "start", "land"] and kinds.count("start") == kinds.count("land") > 3
    assert seen[0][1] is seen[2][1] is not seen[1][1]


def test_pieces_cover_all_rows_once_and_fit_or_are_one_row():
    draw = np.random.default_rng(0)
    for _ in range(50):
        offsets = 7 + np.cumsum(np.append(0, draw.integers(0, 60, draw.integers(0, 30))))
        room = int(draw.integers(1, 200))
        cut = stream.pieces(offsets, 2.0, 3.0, room)
        assert [row for first, last in cut for row in range(first, last)] == list(range(len(offsets) - 1))
        for first, last in cut:
            assert last - first == 1 or 2 * (offsets[last] - offsets[first]) + 3 * (last - first) <= room


def test_a_few_bytes_stay_on_the_cpu_but_not_on_the_host_header(card, monkeypatch):
    monkeypatch.setattr(device, "LEAST", 1 << 18)
    with using(pick("cuda")):
        assert device.door(1000) is None and device.door(1 << 20).name == device.door().name == "cuda"
    with using(pick("host")):
        assert device.door(1).name == "host"
