import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing.gold.batches import flattened, packs_of_rows, padded

from .gold_folder import pack_row

documents = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=6).map(
    lambda tokens: {"name": "d", "ids": [t for t, _ in tokens], "mask": [m for _, m in tokens]}
)
batches_of_packs = st.lists(st.lists(documents, min_size=1, max_size=4), min_size=1, max_size=4)


def packs_of(packs):
    return packs_of_rows([pack_row(pack) for pack in packs])


def plain(batch):
    return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in batch.items()}


def columns(document, number):
    """What each token of one document becomes, one token at a time."""
    for at, (token, trained) in enumerate(zip(document["ids"], document["mask"], strict=True)):
        yield token, token if trained and at > 0 else -100, at, number


def by_hand(rows):
    """Rows of columns as a batch."""
    names = ("input_ids", "labels", "position_ids", "seq_idx")
    return {name: [[token[k] for token in row] for row in rows] for k, name in enumerate(names)}


@settings(max_examples=60, deadline=None)
@given(batches_of_packs)
def test_flattened_is_all_documents_end_to_end(packs):
    every = [d for pack in packs for d in pack]
    lens = [len(d["ids"]) for d in every]
    expected = by_hand([[c for number, d in enumerate(every) for c in columns(d, number)]])
    expected |= {"cu_seqlens": [sum(lens[:i]) for i in range(len(lens) + 1)], "max_seqlen": max(lens)}
    assert plain(flattened(packs_of(packs))) == expected


@settings(max_examples=60, deadline=None)
@given(batches_of_packs, st.integers(0, 3), st.booleans())
def test_padded_is_a_row_a_pack_and_padding_is_a_segment_of_its_own(packs, more, given_length):
    longest = max(sum(len(d["ids"]) for d in pack) for pack in packs)
    length = longest + more if given_length else longest
    rows, lens = [], []
    for pack in packs:
        row = [c for number, d in enumerate(pack) for c in columns(d, number)]
        pads = length - len(row)
        rows.append(row + [(7, -100, at, -1) for at in range(pads)])
        lens += [*(len(d["ids"]) for d in pack), *([pads] if pads else [])]
    expected = by_hand(rows)
    expected |= {"cu_seqlens": [sum(lens[:i]) for i in range(len(lens) + 1)], "max_seqlen": max(lens)}
    assert plain(padded(packs_of(packs), 7, length if given_length else None)) == expected


def test_the_first_token_of_a_document_is_nobodys_target():
    trained = {"name": "d", "ids": [5, 6], "mask": [True, True]}
    assert flattened(packs_of([[trained, trained], [trained]]))["labels"].tolist() == [[-100, 6] * 3]


@settings(max_examples=30, deadline=None)
@given(batches_of_packs)
def test_after_the_models_shift_no_output_answers_for_another_document(packs):
    for batch in (flattened(packs_of(packs)), padded(packs_of(packs))):
        targets, document = batch["labels"][:, 1:], batch["seq_idx"]
        crosses = document[:, 1:] != document[:, :-1]
        assert (targets[crosses] == -100).all()
        assert (batch["labels"][:, 0] == -100).all()  # so labels may be counted before or after the shift


def test_the_types_that_models_and_kernels_take():
    one = [{"name": "d", "ids": [1, 2], "mask": [False, True]}]
    for batch in (flattened(packs_of([one])), padded(packs_of([one]), length=4)):
        wide = {batch[name].dtype for name in ("input_ids", "labels", "position_ids")}
        assert wide == {np.dtype("int64")}
        assert {batch[name].dtype for name in ("cu_seqlens", "seq_idx")} == {np.dtype("int32")}
        assert type(batch["max_seqlen"]) is int


def test_no_packs_are_still_a_step_without_a_target():
    assert plain(flattened(packs_of([]), 9)) == plain(padded(packs_of([]), 9))
    for batch, length in ((flattened(packs_of([]), 9), 1), (padded(packs_of([]), 9, 3), 3)):
        assert batch["input_ids"].tolist() == [[9] * length]
        assert batch["labels"].tolist() == [[-100] * length]
        assert batch["cu_seqlens"].tolist() == [0, length]


def test_a_pack_longer_than_the_rows_is_refused():
    with pytest.raises(RequestError, match="2 tokens does not fit in rows of 1"):
        padded(packs_of([[{"name": "d", "ids": [1, 2], "mask": [True, True]}]]), length=1)


@pytest.mark.parametrize("name", ["input_ids", "loss_mask", "seq_lens"])
def test_rows_without_a_column_of_gold_are_refused(name):
    row = pack_row([{"name": "d", "ids": [1], "mask": [True]}])
    with pytest.raises(RequestError, match=rf"lack {name}.*remove_unused_columns=False"):
        packs_of_rows([{k: v for k, v in row.items() if k != name}])


@pytest.mark.parametrize("change", [{"loss_mask": [True]}, {"seq_lens": [1]}, {"seq_lens": [2, 0]}])
def test_rows_whose_lengths_disagree_are_refused(change):
    row = pack_row([{"name": "d", "ids": [1, 2], "mask": [True, True]}])
    with pytest.raises(RequestError, match="differ in length"):
        packs_of_rows([row | change])
