"""``toolkit doctor`` on devices: which are there, whether they are sound, which a run would use."""

import sys

import pytest

import toolkit
from toolkit.kernels import known


@pytest.fixture
def lines(monkeypatch, tmp_path):
    """What the doctor says, by name, for a TOOLKIT_DEVICE."""

    def of(device):
        monkeypatch.setenv("TOOLKIT_DEVICE", device)
        found = toolkit.doctor(tmp_path)
        return {line.name: line for line in found.lines}, found.ok

    return of


def test_without_a_card_the_fallback_is_named_and_nothing_has_failed(lines, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    found, ok = lines("auto")
    assert ok and found["gpu"].state == "missing" and "CuPy is not installed" in found["gpu"].text
    assert found["device"].text == "cpu, the fallback: the same bytes, more slowly"


def test_the_device_that_is_asked_for_proves_itself(lines, gpu):
    found, ok = lines(gpu)
    assert ok and found[f"known answer, {gpu}"].state == "ok"
    assert found["device"].text.startswith(gpu) and "TOOLKIT_DEVICE=cpu" in found["device"].text


def test_a_device_that_differs_has_failed(lines, gpu, monkeypatch):
    monkeypatch.setitem(known.DIGESTS, "byte_sketch", "0")
    found, ok = lines(gpu)
    assert not ok and "byte_sketch" in found[f"known answer, {gpu}"].text


def test_asking_for_a_card_that_is_not_there_is_a_failure(lines, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    found, ok = lines("cuda")
    assert not ok and "says 'cuda'" in found["device"].text
