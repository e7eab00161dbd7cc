"""Every source compiles for every architecture without a spill; the inner loop is what the design says."""

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hostile import compiler

from toolkit.errors import RequestError
from toolkit.kernels.cuda import build, cost, source
from toolkit.kernels.cuda.machine_code import loops
from toolkit.kernels.cuda.sketch import MOST_OWN, RUN

needs_compiler = pytest.mark.skipif(
    not build.compilers(),
    reason="neither NVRTC nor nvcc to compile for a card: pip install nvidia-cuda-nvrtc",
)
needs_nvdisasm = pytest.mark.skipif(
    not build.compilers() or build.find_tool("nvdisasm") is None,
    reason="no nvdisasm to read machine code with: pip install nvidia-cuda-nvdisasm",
)
VARIANTS = [(name, {}) for name in source.SOURCES] + [
    ("minhash.cu", {"OWN": MOST_OWN}),
    ("minhash.cu", {"OWN": MOST_OWN, "ITEM_WORDS": 1}),
    ("rounds.cu", {"SLOTS": 1024, "ITEM_WORDS": 1}),
]
MOST_SHARED = 48 << 10  # bytes a block may have without being asked for


@needs_compiler
@pytest.mark.parametrize("architecture", build.ARCHITECTURES)
def test_every_source_compiles_without_a_spill(architecture):
    for name, defines in VARIANTS:
        built = build.compile_source(name, architecture, defines)
        assert tuple(sorted(b.kernel for b in built)) == tuple(sorted(source.kernels(name)))
        for b in built:
            print(architecture, name, defines or "", b)
            assert b.spilled == 0, (architecture, name, defines, b)
            assert b.stack == 0, (architecture, name, defines, b)
            assert b.shared <= MOST_SHARED, (architecture, name, defines, b)


@cache
def minhash_loops(architecture, own):
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "minhash.cubin"
        build.compile_source("minhash.cu", architecture, {"OWN": own, "RUN": RUN}, cubin)
        return loops(cubin, "minhash")


@needs_nvdisasm
@pytest.mark.parametrize(("architecture", "own"), [("sm_80", 4), ("sm_90", 4), ("sm_90", 8), ("sm_120", 4)])
def test_a_hash_and_permutation_cost_one_multiply_add_and_one_minimum(architecture, own):
    """In the loop that takes 16 hashes: the one with most minima."""
    found = minhash_loops(architecture, own)
    loop = max(found, key=lambda ops: sum(n for op, n in ops.items() if "MNMX" in op))
    pairs = 16 * own
    multiply = sum(n for op, n in loop.items() if op.startswith("IMAD") and ".MOV" not in op)
    minima = {op: n for op, n in loop.items() if "MNMX" in op}
    three = sum(n for op, n in minima.items() if "MNMX3" in op)
    assert loop["LDS.128"] == 4
    assert pairs <= multiply <= pairs + 1
    assert 2 * three + sum(minima.values()) - three == pairs  # one of three operands is two minima
    assert (three > 0) == (architecture in cost.THREE_OPERANDS)
    assert sum(loop.values()) <= multiply + sum(minima.values()) + 12
    print(f"{architecture}: {sum(loop.values())} instructions for {pairs} (hash, permutation), {dict(loop)}")


@needs_nvdisasm
def test_the_cost_model_counts_what_the_compiler_makes():
    found = [sum(ops.values()) for ops in minhash_loops("sm_90", 4) if ops["STS.128"]]
    assert [n / 4 for n in found] == [pytest.approx(cost.SLIDE, rel=0.06)]


def test_the_published_bound_of_an_h100_is_58_gigabytes_a_second_and_116():
    bounds = cost.minhash_bounds(cost.H100, 128, 24)
    assert bounds.bound_one_pipe / 1e9 == pytest.approx(57.9, abs=0.1)
    assert bounds.bound_two_pipes / 1e9 == pytest.approx(115.8, abs=0.1)
    assert bounds.expected_two_pipes < bounds.bound_two_pipes
    assert cost.minhash_bounds(cost.H100, 128, 24, False).expected_one_pipe < bounds.bound_one_pipe
    assert cost.minhash_bounds(cost.H100, 256, 24).expected_one_pipe > bounds.expected_one_pipe / 2
    assert cost.rounds_bounds(cost.H100, 24).expected_one_pipe > 200e9
    assert "rounds-1" in cost.model()


def test_a_source_holds_its_headers_once_and_names_its_kernels():
    text = source.flat("minhash.cu")
    assert text.count("u64 mix64(u64 x)") == 1
    assert "#include" not in text
    assert source.kernels("choose.cu") == ("settle", "name_survivors", "unite", "flatten")
    assert source.flags({"B": 1, "A": 2}) == ("-DA=2", "-DB=1")
    assert source.flags(None) == ()


@pytest.mark.skipif(len(build.compilers()) < 2, reason="one compiler or none: nothing to compare")
def test_nvrtc_and_nvcc_give_a_kernel_the_same_registers():
    by = [build.compile_source("bands.cu", "sm_90", compiler=name)[0] for name in build.compilers()]
    assert by[0].kernel == by[1].kernel
    assert (by[0].registers, by[0].spilled) == (by[1].registers, by[1].spilled)


@needs_compiler
def test_what_does_not_compile_is_told_with_the_compilers_words():
    with pytest.raises(RequestError, match=r"cannot compile bands\.cu for sm_9000"):
        build.compile_source("bands.cu", "sm_9000")


def test_what_ptxas_says_is_read():
    told = (
        "ptxas info    : Compiling entry function 'one' for 'sm_90'\n"
        "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 56 registers, used 0 barriers, 18432 bytes smem, 440 bytes cmem[0]\n"
        "ptxas info    : Compiling entry function 'two' for 'sm_90'\n"
        "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
        "ptxas info    : Used 9 registers\n"
    )
    assert build._built(told) == [build.Built("one", 56, 16, 8, 18432), build.Built("two", 9, 0, 0, 0)]


def test_a_machine_without_a_compiler_says_so():
    assert compiler() is None or compiler().endswith("g++")
