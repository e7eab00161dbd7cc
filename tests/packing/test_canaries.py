import json

import pytest

from toolkit.errors import RequestError
from toolkit.packing import canaries, check_canaries, load, train

from .conftest import CORPUS


def test_a_tokenizer_knows_its_own_canaries(any_pinned):
    check_canaries(canaries(any_pinned), any_pinned)
    check_canaries(canaries(any_pinned).encode(), load(any_pinned.to_bytes()))


def test_they_are_readable_and_say_which_library(pinned):
    stored = json.loads(canaries(pinned))
    assert [pinned.decode(ids) for _, ids in stored["texts"]] == [text for text, _ in stored["texts"]]
    assert len(stored["sha256"]) == 64
    assert stored["version"][0].isdigit()


def test_another_tokenizer_is_refused_with_the_text_that_tells(pinned):
    other = load(train(CORPUS, 300))
    with pytest.raises(RequestError, match=r"not the one that made the data: .* has the ids \["):
        check_canaries(canaries(pinned), other)


def test_a_difference_in_the_longer_texts_alone_is_found(pinned):
    stored = json.loads(canaries(pinned))
    with pytest.raises(RequestError, match="one of the longer canary texts"):
        check_canaries(json.dumps({**stored, "sha256": "0" * 64}), pinned)


@pytest.mark.parametrize(
    "stored", ["", "{}", "[]", '{"texts": [["a"]], "sha256": "", "version": ""}', b"\xff"]
)
def test_metadata_that_is_no_canaries_is_named(pinned, stored):
    with pytest.raises(RequestError, match="canaries in the metadata cannot be read"):
        check_canaries(stored, pinned)
