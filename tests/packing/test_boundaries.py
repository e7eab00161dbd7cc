import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from toolkit.packing import cu_seqlens, position_ids, seq_idx

lens = st.lists(st.integers(1, 9), max_size=9)


def test_the_example_of_the_module():
    assert position_ids([3, 2]).tolist() == [0, 1, 2, 0, 1]
    assert cu_seqlens([3, 2]).tolist() == [0, 3, 5]
    assert seq_idx([3, 2]).tolist() == [0, 0, 0, 1, 1]


@given(lens)
def test_position_ids_count_from_zero_in_each_document(seq_lens):
    assert position_ids(seq_lens).tolist() == [i for n in seq_lens for i in range(n)]


@given(lens)
def test_seq_idx_numbers_the_documents(seq_lens):
    assert seq_idx(seq_lens).tolist() == [d for d, n in enumerate(seq_lens) for _ in range(n)]


@given(lens)
def test_cu_seqlens_are_where_the_positions_are_zero(seq_lens):
    starts = np.flatnonzero(position_ids(seq_lens) == 0).tolist()
    assert cu_seqlens(seq_lens).tolist() == [*starts, sum(seq_lens)]


def test_all_three_are_int32():
    assert {f(np.array([2, 1])).dtype for f in (cu_seqlens, position_ids, seq_idx)} == {np.dtype("int32")}
