import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import CANARIES
from toolkit.packing.tokens import joining
from toolkit.packing.tokens.joining import END
from toolkit.packing.tokens.library import Library

from .conversations import texts

hostile = settings(max_examples=100, deadline=None)
some = st.lists(
    st.one_of(texts, st.sampled_from([END, END[:2], END[2:], f"a{END}b", END + END])), max_size=12
)


@pytest.fixture
def small(monkeypatch):
    """So little in a batch and a chunk that every few texts are cut."""
    monkeypatch.setattr(joining, "BATCH", 64)
    monkeypatch.setattr(joining, "CHUNK", 16)


def one_by_one(pinned, texts):
    """The library's own answer, a call a text, on a tokenizer that knows nothing of ends."""
    if hasattr(pinned.tokenizer, "from_str"):
        return [pinned.tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
    options = {"add_special_tokens": False, "encode_special_tokens": True}
    return [pinned.tokenizer.encode(t, **options).ids for t in texts]


def runs(found):
    ids, lengths = found
    assert (ids.dtype, lengths.dtype) == (np.int32, np.int64)
    assert ids.size == lengths.sum()
    return [run.tolist() for run in np.split(ids, np.cumsum(lengths)[:-1])] if lengths.size else []


@hostile
@given(many=some)
def test_texts_in_company_get_the_ids_that_they_get_alone(pinned, many):
    assert runs(pinned.library.encode(pa.array(many, pa.large_string()))) == one_by_one(pinned, many)


@hostile
@given(many=some, threads=st.booleans())
def test_wherever_batches_and_chunks_are_cut_with_threads_and_without(pinned, many, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENIZERS_PARALLELISM", "true" if threads else "false")
        patch.setattr(joining, "BATCH", 64)
        patch.setattr(joining, "CHUNK", 16)
        assert runs(pinned.library.encode(pa.array(many, pa.string()))) == one_by_one(pinned, many)


def test_every_make_agrees_with_the_library_alone(any_pinned):
    many = [*CANARIES, *reversed(CANARIES), "", END, f"x{END}y", "<think>", "<|eot_id|><|im_end|>"]
    assert runs(any_pinned.library.encode(pa.array(many))) == one_by_one(any_pinned, many)


def test_nulls_slices_and_chunks_of_a_column(pinned, small):
    column = pa.chunked_array([["no", "a b"], [None, "c" * 50], []]).slice(1)
    assert runs(pinned.library.encode(column)) == one_by_one(pinned, ["a b", "", "c" * 50])
    assert runs(pinned.library.encode(pa.array([], pa.string()))) == []


def test_an_added_token_made_of_the_same_characters_switches_joining_off(trained_bytes):
    spec = json.loads(trained_bytes)
    token = {**spec["added_tokens"][0], "id": len(spec["model"]["vocab"]), "content": "x" + END[:1]}
    spec["added_tokens"].append({**token, "special": False})
    loaded = Library(spec)
    assert loaded._encoder.joined is None
    ids, lengths = loaded.encode(pa.array(["x" + END, "b"]))
    assert lengths.tolist() == [len(ids) - 1, 1]
    assert ids[0] == token["id"]


def test_a_tokenizer_that_says_end_by_itself_is_refused():
    """Never the library's, but an encoder may be anybody's."""

    def call(texts):
        return [np.array([7], np.uint32) for _ in texts]

    data = np.frombuffer(b"ab", np.uint8)
    with pytest.raises(ValueError, match="none of its own"):
        joining.encode_places(joining.Encoder(call, call, 7), data, np.array([0, 1]), np.array([1, 2]))


def test_bytes_that_are_no_text_are_refused(pinned):
    broken = pa.array([b"fine", b"\xff\xfe"], pa.binary()).cast(pa.large_binary()).view(pa.large_string())
    with pytest.raises(RequestError, match=r"not UTF-8.*b'\\xff\\xfe"):
        pinned.library.encode(broken)


def test_tokens_are_named_and_unknown_ids_are_nothing(pinned):
    assert pinned.library.token(pinned.im_end) == "<|im_end|>"
    assert pinned.library.token(10**6) is None


@hostile
@given(text=texts)
def test_the_bytes_of_ids_spell_the_text(any_pinned, text):
    ids, lengths = any_pinned.library.encode(pa.array([text, "", text]))
    assert any_pinned.bytes_of.text(ids, lengths).to_pylist() == [text, "", text]


@hostile
@given(text=texts)
def test_a_token_begins_inside_a_character_exactly_if_the_text_before_it_ends_inside_one(pinned, text):
    ids, _ = pinned.library.encode(pa.array([text]))
    for at in range(1, ids.size):
        before = pinned.bytes_of.text(ids[:at], np.array([at])).cast(pa.large_binary())[0].as_py()
        assert pinned.bytes_of.continues[ids[at]] == ("\ufffd" in before.decode(errors="replace")[-1:])


def test_byte_fallback_is_read_as_bytes():
    from toolkit.packing.tokens.vocabulary import token_bytes

    spec = {"decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}}
    spec["model"] = {"vocab": {"<0xC3>": 0, "<0xA9>": 1, "é": 2, "<0x>": 3}}
    found = token_bytes({**spec, "added_tokens": [{"id": 4, "content": "<0x41>"}]})
    assert found.data.tobytes() == "é".encode() * 2 + b"<0x><0x41>"
    assert found.continues.tolist() == [False, True, False, False, False]
