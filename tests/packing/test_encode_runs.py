import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing.chat.runs import Runs
from toolkit.packing.tokens.encode_runs import encode_runs
from toolkit.records.schema import CANONICAL

from .chatml_runs import chatml_runs
from .conversations import conversations, texts

hostile = settings(max_examples=60, deadline=None)
run = st.tuples(st.integers(-1, 2), texts.filter(bool), st.booleans())


def build(sequences):
    flat = [r for sequence in sequences for r in sequence]
    return Runs(
        np.cumsum([0, *map(len, sequences)]),
        pa.array([text if control < 0 else "" for control, text, _ in flat], pa.large_string()),
        np.array([control for control, _, _ in flat], np.int16),
        np.array([trained for _, _, trained in flat], np.bool_),
    )


def oracle(sequences, pinned, control):
    """One run after another, each text by a call of its own."""
    out = []
    for sequence in sequences:
        ids, mask = [], []
        for index, text, trained in sequence:
            new = pinned.library.encode(pa.array([text]))[0].tolist() if index < 0 else [control[index]]
            ids, mask = ids + new, mask + [trained] * len(new)
        out.append((ids, mask))
    return out


@hostile
@given(sequences=st.lists(st.lists(run, max_size=6), max_size=5))
def test_runs_are_encoded_one_by_one_and_put_end_to_end(any_pinned, sequences):
    control = tuple(any_pinned.control.values())
    ids, mask, lengths = encode_runs(build(sequences), any_pinned, control)
    assert (ids.dtype, mask.dtype, lengths.dtype) == (np.int32, np.bool_, np.int64)
    edges = np.cumsum(lengths)[:-1]
    got = zip(np.split(ids, edges), np.split(mask, edges), strict=True) if sequences else []
    assert [(i.tolist(), m.tolist()) for i, m in got] == oracle(sequences, any_pinned, control)


@hostile
@given(talks=st.lists(conversations, max_size=4))
def test_conversations_are_runs_that_obey_the_contract(talks):
    runs = chatml_runs(pa.array(talks, CANONICAL.field("messages").type))
    texts, control, trained = runs.texts.to_pylist(), runs.control.tolist(), runs.trained.tolist()
    assert runs.ends.size == len(talks) + 1 and runs.ends[-1] == len(texts)
    for start, end in zip(runs.ends[:-1], runs.ends[1:], strict=True):
        for i in range(start, end):
            assert (control[i] >= 0) == (texts[i] == "")
            if i + 1 < end and control[i] < 0 and control[i + 1] < 0:
                assert trained[i] != trained[i + 1]
