"""The doors: the host's is strict where a card is silent, and the card's hands on what it was given."""

import sys

import numpy as np
import pytest
from hostile import needs_compiler

from toolkit.errors import RequestError
from toolkit.kernels.cuda import Cuda, Host, host, source

STRAY = {
    "parting": 'extern "C" __global__ void parting(int *out) { if (threadIdx.x) __syncwarp(); out[0] = 1; }',
    "early": """extern "C" __global__ void early(int *out) {
        if (threadIdx.x < 32) return;
        __syncthreads();
        out[0] = 1; }""",
    "kinds": """extern "C" __global__ void kinds(int *out) {
        if (threadIdx.x % 2) out[0] = __shfl_sync(~0u, 1, 0); else out[1] = __ballot_sync(~0u, 1); }""",
    "racing": """extern "C" __global__ void racing(int *out) {
        __shared__ int held[64];
        held[threadIdx.x] = threadIdx.x;
        out[threadIdx.x] = held[(threadIdx.x + 1) % 64]; }""",
    "words": """extern "C" __global__ void words(int *out, int base, long long far) {
        __shared__ int held[64];
        int lane = threadIdx.x % 32;
        held[threadIdx.x] = threadIdx.x;
        __syncthreads();
        int sum = held[(threadIdx.x + 33) % 64];
        sum += __shfl_xor_sync(~0u, lane, 5) + __shfl_up_sync(~0u, lane, 3) + __shfl_down_sync(~0u, lane, 2);
        sum += (int)(__ballot_sync(~0u, lane % 3 == 0) & 0xFFFF);
        sum += __any_sync(~0u, lane == 7) + __all_sync(~0u, lane);
        atomicAdd(&out[64], 1); atomicMin(&out[65], -lane); atomicMax(&out[66], lane);
        out[threadIdx.x] = sum + base + (int)(far >> 32) + blockIdx.x * 0 + gridDim.y; }""",
}


@pytest.fixture
def stray(monkeypatch, tmp_path):
    """Small kernels of this test, each a source of its own."""
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(host, "flat", lambda name: STRAY[name])
    monkeypatch.setattr(host, "kernels", lambda name: (name,))


@needs_compiler
@pytest.mark.usefixtures("stray")
@pytest.mark.parametrize(("name", "threads"), [("parting", 32), ("early", 64), ("kinds", 32)])
def test_lanes_that_part_are_an_error_and_the_next_launch_is_sound(name, threads):
    with pytest.raises(RequestError, match=r"lanes part|have ended"):
        Host().launch(name, name, 1, threads, (np.zeros(80, np.int32),))
    out = np.zeros(80, np.int32)
    Host().launch("words", "words", 1, 64, (out, np.int32(0), np.int64(0)))
    assert out[64] == 64


@needs_compiler
@pytest.mark.usefixtures("stray")
def test_a_missing_barrier_shows_when_lanes_run_backward():
    results = []
    for backward in (False, True):
        out = np.zeros(64, np.int32)
        Host(backward).launch("racing", "racing", 1, 64, (out,))
        results.append(out.tolist())
    assert results[0] != results[1]
    assert -1515870811 in results[0]  # 0xA5A5A5A5: what shared memory holds before it is written


@needs_compiler
@pytest.mark.usefixtures("stray")
@pytest.mark.parametrize("backward", [False, True])
def test_cudas_words_mean_what_they_mean_on_a_card(backward):
    out = np.zeros(80, np.int32)
    Host(backward).launch("words", "words", (2, 3), 64, (out, np.int32(100), np.int64(7 << 32)))
    lanes = np.arange(32)
    up, down = np.where(lanes < 3, lanes, lanes - 3), np.where(lanes + 2 > 31, lanes, lanes + 2)
    votes = sum(1 << lane for lane in range(16) if lane % 3 == 0)
    given = votes + 1 + 0 + 100 + 7 + 3
    expected = [(t + 33) % 64 + (t % 32 ^ 5) + up[t % 32] + down[t % 32] + given for t in range(64)]
    assert out[:64].tolist() == expected
    assert out[64:67].tolist() == [6 * 64, -31, 31]


@needs_compiler
@pytest.mark.usefixtures("stray")
@pytest.mark.parametrize("args", [(np.int32(0), np.int32(0)), (np.int64(0), np.int64(0)), (np.int32(0),)])
def test_arguments_of_another_size_are_refused(args):
    with pytest.raises(RequestError, match=r"takes arguments of \[-4, 4, 8\] bytes"):
        Host().launch("words", "words", 1, 32, (np.zeros(70, np.int32), *args))


@needs_compiler
@pytest.mark.usefixtures("stray")
def test_an_array_with_gaps_is_refused():
    with pytest.raises(RequestError, match="contiguous"):
        Host().launch("words", "words", 1, 32, (np.zeros(200, np.int32)[::2], np.int32(0), np.int64(0)))


@needs_compiler
def test_a_source_that_does_not_compile_is_told_with_the_compilers_words(stray, monkeypatch):
    monkeypatch.setitem(STRAY, "broken", 'extern "C" __global__ void broken(int *out) { wrong; }')
    with pytest.raises(RequestError, match="wrong"):
        Host().launch("broken", "broken", 1, 1, (np.zeros(1, np.int32),))


def test_the_hosts_arrays_begin_where_a_cards_would():
    whole = np.arange(100, dtype=np.uint8)
    for skip in range(17):
        found = Host().array(whole[skip:])
        assert found.ctypes.data % 16 == 0
        assert found.tolist() == whole[skip:].tolist()


class FakeCupy:
    """What the card's door asks of CuPy."""

    class cuda:
        class runtime:
            @staticmethod
            def getDeviceCount():
                return 0

    def __init__(self):
        self.compiled, self.launched = [], []

    def RawModule(self, code, options):
        self.compiled.append((code, options))
        return self

    def get_function(self, name):
        return lambda grid, block, args: self.launched.append((name, grid, block, args))


def test_the_cards_door_compiles_a_source_once_for_its_defines_and_launches_it():
    cupy = FakeCupy()
    door = Cuda(cupy)
    for defines in ({"B": 1, "A": 2}, {"A": 2, "B": 1}, None):
        door.launch("bands.cu", "band_keys", 3, 128, (1, 2), defines)
    assert [options for _, options in cupy.compiled] == [("-std=c++17", "-DA=2", "-DB=1"), ("-std=c++17",)]
    assert cupy.compiled[0][0] == source.flat("bands.cu")
    assert cupy.launched[0] == ("band_keys", (3, 1), (128,), (1, 2))


def test_without_a_card_the_door_says_why_it_stays_shut(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RequestError, match="not installed"):
        Cuda()
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy())
    with pytest.raises(RequestError, match="no device"):
        Cuda()
