import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import gather, gather_into, gather_text
from toolkit.packing.tokens.gather import list_offsets

ROW = st.one_of(st.none(), st.lists(st.integers(0, 2**31 - 1), max_size=12))
CHUNK = st.lists(ROW, max_size=5)


def make_table(chunks):
    """A table of several chunks, each a slice into a larger buffer."""

    def lists(rows, kind, cell):
        whole = pa.array(
            [None if r is None else [cell(v) for v in r] for r in [[7], *rows, [7]]], pa.list_(kind)
        )
        return whole.slice(1, len(rows))

    names = pa.chunked_array([[f"{i}-{j}" for j in range(len(c))] for i, c in enumerate(chunks)], pa.string())
    ids = pa.chunked_array([lists(c, pa.int32(), int) for c in chunks], pa.list_(pa.int32()))
    bits = pa.chunked_array(
        [lists(c, pa.bool_(), lambda v: v % 3 == 1) for c in chunks], pa.list_(pa.bool_())
    )
    return pa.table({"id": names, "input_ids": ids, "loss_mask": bits})


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(CHUNK, max_size=3), min_size=1, max_size=3), st.data())
def test_gather_is_a_loop_over_rows(layout, data):
    tables = [make_table(chunks) for chunks in layout]
    places = [(t, r) for t, table in enumerate(tables) for r in range(table.num_rows)]
    picks = data.draw(st.lists(st.sampled_from(places), max_size=20)) if places else []
    which_table, which_row = [t for t, _ in picks], [r for _, r in picks]
    for column in ("input_ids", "loss_mask"):
        rows = [tables[t][column][r].as_py() or [] for t, r in picks]
        values, lengths = gather(tables, which_table, which_row, column)
        assert values.tolist() == [v for row in rows for v in row]
        assert lengths.tolist() == [len(row) for row in rows]
    names = [tables[t]["id"][r].as_py() for t, r in picks]
    assert gather_text(tables, which_table, which_row).to_pylist() == names


def test_gather_reads_memory_mapped_files(tmp_path):
    table = make_table([[[1, 2, 3], [4]], [None, [5, 6]]])
    with pa.ipc.new_file(tmp_path / "tokens.arrow", table.schema) as sink:
        sink.write_table(table)
    with pa.memory_map(str(tmp_path / "tokens.arrow")) as source:
        mapped = pa.ipc.open_file(source).read_all()
        values, lengths = gather([mapped], [0, 0, 0], [3, 2, 0])
        assert (values.tolist(), lengths.tolist()) == ([5, 6, 1, 2, 3], [2, 0, 3])
        del mapped


def test_values_are_int32_and_masks_bool():
    table = make_table([[[1]]])
    kinds = [gather([table], [0], [0], c)[0].dtype for c in ("input_ids", "loss_mask")]
    assert kinds == [np.dtype("int32"), np.dtype("bool")]


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_outside_its_table_is_refused(row):
    table = make_table([[[1], [2]]])
    with pytest.raises(IndexError, match="outside its table"):
        gather([table, table], [0], [row])


def test_more_tokens_than_arrow_lists_hold_are_refused():
    with pytest.raises(RequestError, match="2,147,483,648 tokens"):
        list_offsets(np.array([2**30, 2**30]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CHUNK, max_size=3), min_size=1, max_size=3), st.data())
def test_rows_are_put_where_they_are_wanted_and_nothing_else_changes(layout, data):
    tables = [make_table(chunks) for chunks in layout]
    places = [(t, r) for t, table in enumerate(tables) for r in range(table.num_rows)]
    picks = data.draw(st.lists(st.sampled_from(places), max_size=20)) if places else []
    which = np.array(picks, np.int64).reshape(-1, 2)
    for column, free in (("input_ids", -7), ("loss_mask", True)):
        rows = [tables[t][column][r].as_py() or [] for t, r in picks]
        lengths = np.array([len(row) for row in rows], np.int64)
        order = data.draw(st.permutations(range(len(rows))))
        targets, at = np.zeros(len(rows), np.int64), 1
        wanted = [free]
        for i in order:
            targets[i] = at
            wanted += [*rows[i], free]
            at += lengths[i] + 1
        out = np.full(at, free, np.bool_ if column == "loss_mask" else np.int32)
        gather_into(tables, which[:, 0], which[:, 1], column, lengths, targets, out)
        assert out.tolist() == wanted


def test_a_row_of_another_length_than_said_is_refused():
    table = make_table([[[1, 2]]])
    with pytest.raises(ValueError, match="not as long"):
        gather_into([table], [0], [0], "input_ids", np.array([1]), np.array([0]), np.zeros(2, np.int32))


@pytest.mark.parametrize("target", [-1, 1])
def test_a_row_without_room_is_refused(target):
    table, whole = make_table([[[1, 2]]]), np.full(6, 9, np.int32)
    with pytest.raises(ValueError, match="no room"):
        gather_into([table], [0], [0], "input_ids", np.array([2]), np.array([target]), whole[2:4])
    with pytest.raises(ValueError, match="no room"):
        gather_into([table], [0], [0], "loss_mask", np.array([2]), np.array([0]), whole[2:4])
    assert whole.tolist() == [9] * 6
