"""Which device is picked, why, and what of its memory a process may use."""

import multiprocessing
import sys
import types
from functools import cache

import pytest

from toolkit.errors import RequestError
from toolkit.kernels import Device, device, door, known, pick, using
from toolkit.kernels.cuda import Host

GB = 10**9
H100, V100 = ("H100", 9, 0, 78 * GB, 80 * GB), ("V100", 7, 0, 9 * GB, 16 * GB)
OLD = ("GTX 980", 5, 2, 4 * GB, 4 * GB)
FULL = ("RTX 4060", 8, 9, 600 * 10**6, 8 * GB)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("TOOLKIT_DEVICE", raising=False)
    monkeypatch.delenv("TOOLKIT_GPU_MEMORY", raising=False)
    device._ambient.cache_clear()
    device._open.cache_clear()
    yield
    device._ambient.cache_clear()
    device._open.cache_clear()


def fake_cupy(monkeypatch, *cards, count=None, runtime=12090):
    """CuPy with these cards: (name, major, minor, bytes free, bytes in all)."""
    at, used = [0], []

    class Card:
        def __init__(self, number):
            self.number = number

        def use(self):
            used.append(self.number)

        def __enter__(self):
            at[0] = self.number

        def __exit__(self, *_):
            pass

    def memory():
        if cards[at[0]][4] == 0:
            raise RuntimeError("fallen off the bus")
        return cards[at[0]][3:]

    driver = types.SimpleNamespace(
        getDeviceCount=count or (lambda: len(cards)), runtimeGetVersion=lambda: runtime,
        getDeviceProperties=lambda i: dict(zip(("name", "major", "minor"), cards[i], strict=False)),
        memGetInfo=memory,
    )  # fmt: skip
    pool = types.SimpleNamespace(set_limit=lambda size: used.append(size))
    cuda = types.SimpleNamespace(runtime=driver, Device=Card)
    module = types.SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return used


def test_auto_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert pick() == Device("cpu", "no GPU: CuPy is not installed: pip install -e '.[gpu]'")
    assert door() is None


def test_auto_takes_no_card_that_gives_wrong_answers_and_cuda_is_obeyed(monkeypatch):
    fake_cupy(monkeypatch, H100)
    found = pick("auto")
    assert found.name == "cpu" and "H100" in found.reason and "but it does not work: " in found.reason
    assert pick("cuda").name == "cuda"
    monkeypatch.setattr(device, "_open", cache(lambda *_: Host()))
    assert pick("auto") == pick("cuda")
    monkeypatch.setitem(known.DIGESTS, "word_sketch", "0" * 16)
    assert "word_sketch gives" in pick("auto").reason


def test_a_driver_that_is_missing_broken_or_too_old_is_a_reason_and_no_crash(monkeypatch):
    fake_cupy(monkeypatch, count=lambda: 1 / 0)
    assert "no device (ZeroDivisionError" in pick("auto").reason
    fake_cupy(monkeypatch)
    assert pick("auto") == Device("cpu", "no GPU: CuPy finds no device")
    with pytest.raises(RequestError, match="TOOLKIT_DEVICE says 'cuda', but CuPy finds no device"):
        monkeypatch.setenv("TOOLKIT_DEVICE", "cuda")
        pick()


def test_a_card_that_serves_is_picked_and_named_with_what_a_process_may_use(monkeypatch):
    fake_cupy(monkeypatch, H100)
    found = pick("cuda")
    assert (found.name, found.cards) == ("cuda", (0,))
    assert "H100 of compute capability 9.0" in found.reason and "69.7 GB a process" in found.reason
    assert pick("cuda", processes=4).budget == pytest.approx(0.9 * 78 * GB / 4 - 2**29, abs=4)


@pytest.mark.parametrize(
    ("cards", "runtime", "processes", "why"),
    [
        ([OLD], 12090, 1, "GTX 980 of compute capability 5.2, and 7.0 is the least"),
        ([V100], 13000, 1, "V100 of compute capability 7.0, and 7.5 is the least"),
        ([FULL], 13000, 1, "has 0.6 GB of 8.0 GB free, and a process needs 1.1 GB"),
        ([V100], 12090, 16, "16 processes need 17.2 GB: fewer workers need less"),
    ],
)
def test_a_card_that_does_not_serve_is_named_with_the_reason(monkeypatch, cards, runtime, processes, why):
    fake_cupy(monkeypatch, *cards, runtime=runtime)
    assert pick(processes=processes).name == "cpu" and why in pick(processes=processes).reason
    with pytest.raises(RequestError, match="cuda") as error:
        pick("cuda", processes=processes)
    assert why in str(error.value)


def test_only_cards_that_serve_are_used_and_processes_share_them_out(monkeypatch):
    used = fake_cupy(monkeypatch, OLD, H100, FULL, H100)
    found = pick("cuda", "20GB", processes=4)
    assert (found.cards, found.budget) == ((1, 3), 10 * GB)
    process = types.SimpleNamespace(_identity=())
    monkeypatch.setattr(multiprocessing, "current_process", lambda: process)
    for number in range(4):
        process._identity = (number,) if number else ()
        with using(found):
            assert door(1 << 30).card == (1, 3)[number % 2]
        assert used[-2:] == [(1, 3)[number % 2], 10 * GB]


def test_a_card_that_answers_with_an_error_is_left_alone(monkeypatch):
    lost = ("lost", 9, 0, GB, 0)
    fake_cupy(monkeypatch, lost, H100)
    assert pick("cuda").cards == (1,)
    fake_cupy(monkeypatch, lost)
    assert "card 0 cannot be used (RuntimeError: fallen" in pick().reason


@pytest.mark.parametrize(
    ("asked", "size"),
    [("20GB", 20 * GB), ("1.5 GiB", 3 << 29), ("4kb", 4000), (12345, 12345), ("512m", 512 * 10**6), ("7", 7)],
)
def test_memory_is_asked_for_in_bytes_or_a_unit(asked, size):
    assert pick("host", asked).budget == size


@pytest.mark.parametrize("asked", ["", "much", "-3GB", "0", "3XB", "1.2.3GB", "iB", 0])
def test_memory_that_cannot_be_read_is_refused(asked):
    with pytest.raises(RequestError, match="expected a number of bytes such as 20GB"):
        pick("cpu", asked)


def test_no_more_than_is_free_is_taken_whatever_was_asked_for(monkeypatch):
    fake_cupy(monkeypatch, V100)
    assert pick("cuda", "100GB").budget == pick("cuda").budget < 9 * GB


@pytest.mark.parametrize("wanted", ["cuda", "tpu"])
def test_what_cannot_be_served_is_refused(monkeypatch, wanted):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setenv("TOOLKIT_DEVICE", wanted)
    with pytest.raises(RequestError, match=f"TOOLKIT_DEVICE says '{wanted}'"):
        pick()


def test_the_argument_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("TOOLKIT_DEVICE", "tpu")
    monkeypatch.setenv("TOOLKIT_GPU_MEMORY", "nonsense")
    assert pick("cpu", 5).name == "cpu"
    assert pick("host", 5).budget == 5


def test_outside_a_run_the_environment_decides_once(monkeypatch):
    monkeypatch.setenv("TOOLKIT_DEVICE", "host")
    assert door().name == "host"
    monkeypatch.setenv("TOOLKIT_DEVICE", "cpu")
    assert door().name == "host"


def test_a_device_holds_within_its_run_and_no_longer(monkeypatch):
    monkeypatch.setenv("TOOLKIT_DEVICE", "cpu")
    with using(pick("host")):
        assert door().name == "host"
        with using(None):
            assert door().name == "host"
        with using(pick("cpu")):
            assert door() is None
    assert door() is None
