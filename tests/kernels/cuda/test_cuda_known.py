"""The golden digests hold through a door, and a kernel that differs is named."""

import pytest
from hostile import FORWARD, needs_compiler

from toolkit.errors import GateError
from toolkit.kernels.cuda import known

pytestmark = needs_compiler


def test_the_known_answers_are_the_cpus():
    assert known.known_answer(FORWARD)


def test_a_kernel_that_differs_is_named(monkeypatch):
    monkeypatch.setitem(known.DIGESTS, "byte_rounds", "0" * 16)
    with pytest.raises(GateError, match="byte_rounds gives b27cb6ffb785203f on host"):
        known.known_answer(FORWARD)
