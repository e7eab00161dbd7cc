"""benchmarks.gpu says nothing of figures without a card; with one it compares, times and judges."""

import json
import sys
import time
from itertools import pairwise

import imitation
import numpy as np
import pyarrow as pa
import pytest
from hostile import FORWARD, needs_compiler

from benchmarks import (
    gpu,
    gpu_card,
    gpu_corpus,
    gpu_job,
    gpu_kernels,
    gpu_parity,
    gpu_texts,
    gpu_works,
    launch,
)
from toolkit import dedup
from toolkit.errors import RequestError
from toolkit.kernels import word
from toolkit.kernels.cuda import Cuda, bands
from toolkit.kernels.cuda.sketch import minhash


@pytest.fixture
def nothing_recorded(monkeypatch, tmp_path):
    for module in (gpu, launch):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(launch, "REPO", tmp_path)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setenv("TOOLKIT_DEVICE", "cpu")
    monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
    gpu.main()


def no_card():
    raise RequestError("CuPy finds no device")


def test_without_a_card_it_says_so_and_that_no_figure_is_recorded(monkeypatch, capsys, nothing_recorded):
    monkeypatch.setattr(gpu, "Cuda", no_card)
    run(monkeypatch)
    said = capsys.readouterr().out
    assert said.startswith("no card to measure: CuPy finds no device\n")
    assert "No results of any card are recorded" in said


@needs_compiler
def test_without_a_card_all_kernels_are_compared_through_the_host_header(
    monkeypatch, capsys, nothing_recorded
):
    monkeypatch.setattr(gpu, "Cuda", no_card)
    run(monkeypatch, "--host")
    said = capsys.readouterr().out
    assert all(f"| {name} |" in said for name in gpu_parity.CHECKS)
    assert "NO" not in said.replace("No results", "")


@needs_compiler
def test_a_kernel_that_differs_is_named_and_the_exit_code_says_so(monkeypatch, nothing_recorded):
    monkeypatch.setattr(gpu, "Cuda", no_card)
    right = bands.band_keys
    monkeypatch.setattr(bands, "band_keys", lambda *given: right(*given) ^ np.uint64(1))
    monkeypatch.setattr(gpu_parity, "CHECKS", {n: gpu_parity.CHECKS[n] for n in ("bands", "verify")})
    with pytest.raises(SystemExit, match=r"not the CPU.s bits: bands$"):
        run(monkeypatch, "--host")


def test_a_kernel_that_was_not_compared_or_raised_is_no_success():
    rows = gpu_parity.parity(FORWARD, small=True, until=time.perf_counter() - 1)
    assert all("cut short" in row for row in rows if row["cases"])
    empty = {"kernel": "one", "cases": 0, "differ": [], "seconds": 0.0}
    assert gpu_parity.failed([empty, empty | {"cases": 1}, empty | {"cases": 1, "error": "no"}]) == [
        "one",
        "one",
    ]


@needs_compiler
def test_what_is_measured_is_recorded_under_the_cards_name_and_told_again(
    monkeypatch, capsys, nothing_recorded
):
    """The host header stands for a card: seconds are those of this machine, and the way is the same."""
    monkeypatch.setattr(gpu, "Cuda", lambda: FORWARD)
    monkeypatch.setattr(gpu_works, "LENGTHS", (300,))
    monkeypatch.setattr(gpu_card, "describe", lambda _: {"name": "Host (stand-in)", "memory_free": 1 << 18})
    monkeypatch.setattr(gpu_parity, "CHECKS", {"verify": gpu_parity.CHECKS["verify"]})
    run(monkeypatch, "--parity", "--kernels", "--megabytes", "0.001", "--repeat", "1")
    measured = capsys.readouterr().out
    whole = json.loads((nothing_recorded / "host-stand-in" / "gpu.json").read_text())
    rows = whole["kernels"]["found"]["rows"]
    assert whole["kernels"]["machine"]["device"]["name"] == "Host (stand-in)"
    assert not [row for row in rows if "missing" in row]
    assert all(row["runs"]["whole"] and row["copied"] and row["bound"] > 0 for row in rows)
    monkeypatch.setattr(gpu, "Cuda", no_card)
    run(monkeypatch)
    told = capsys.readouterr().out
    assert "as recorded in host-stand-in/gpu.json" in told
    assert all(line in told for line in measured.splitlines() if line.startswith("| "))


@pytest.mark.card
def test_every_kernel_has_the_cpus_bits_on_a_card():
    assert gpu_parity.failed(gpu_parity.parity(Cuda(), small=False)) == []


@pytest.fixture
def imitated(monkeypatch):
    """CuPy's imitation, whose events are a second apart."""
    now = [0.0]

    class Event:
        def record(self):
            now[0] += 1.0
            self.at = now[0]

        def synchronize(self):
            pass

    with imitation.installed(monkeypatch) as cupy:
        cupy.cuda.Event, cupy.cuda.get_elapsed_time = Event, lambda one, other: 1000 * (other.at - one.at)
        cupy.get_default_pinned_memory_pool, cupy.copyto = cupy.get_default_memory_pool, np.copyto
        cupy.cuda.Device = type("Device", (), {"synchronize": lambda self: None})
        yield cupy


@needs_compiler
def test_a_card_is_given_its_own_arrays_only_and_gives_back_all_memory(monkeypatch, imitated):
    monkeypatch.setattr(gpu_works, "LENGTHS", (300,))
    door = Cuda(imitated)
    rates = gpu_card.rates(door, {}, 1, 1 << 12, turns=1)
    rows = gpu_kernels.kernels_of(door, rates, {}, 1000, 1, float("inf"))
    assert [row["missing"] for row in rows if "missing" in row] == []
    assert rows[0]["runs"]["kernels"]["minhash"] == [1.0]
    assert gpu_parity.failed(gpu_parity.parity(door, small=True)) == []
    assert imitation.POOL.peak > 1000 and imitation.POOL.used == 0


@needs_compiler
def test_a_launch_is_timed_by_the_cards_own_events(imitated):
    timed = gpu_card.Timed(Cuda(imitated))
    data, offsets = gpu_texts.of_length(100, 1000)
    found = timed.measure(lambda d: minhash(d, data, offsets, "byte", 24, 8), repeat=3)
    assert found == {"kernels": {"minhash": [1.0] * 3}, "whole": [3.0] * 3}


@pytest.mark.parametrize(("together", "shared"), [(1.0, True), (1.2, True), (1.7, False), (2.0, False)])
def test_one_pipe_is_told_from_two_by_what_both_do_together(together, shared):
    alone = {"multiply-add": 1.0, "minimum": 1.0}
    assert gpu_card.shares_a_pipe(alone | {"multiply-add and minimum": together}) is shared


def test_a_pair_is_bound_by_the_better_mix_of_the_card():
    operations = {"multiply-add and minimum": 2.0, "multiply-add and minimum of three": 2.4}
    assert gpu_card.pairs_a_second(operations, "sm_80") == 1.0
    assert gpu_card.pairs_a_second(operations, "sm_90") == pytest.approx(1.6)


@pytest.mark.parametrize("seed", range(5))
def test_the_words_that_a_bound_counts_are_those_of_the_kernel(seed):
    for data, offsets in (gpu_texts.of_length(37, 2000, seed), gpu_texts.one_giant(3000, 11, seed)):
        assert np.array_equal(gpu_works.word_offsets(data, offsets), word.word_table(data, offsets)[3])


def test_texts_have_the_lengths_that_are_asked():
    data, offsets = gpu_texts.mixed(100_000, 1, longest=5_000)
    lengths = np.diff(offsets)
    assert len(data) == offsets[-1] <= 100_000
    assert lengths.min() == 0 and lengths.max() > 1_000 and (data >= 0x80).any()
    data, offsets = gpu_texts.one_giant(10_000, 10)
    assert sorted(np.diff(offsets))[-1] == len(data) / 2
    text = gpu_texts.as_text(*gpu_texts.of_length(10, 95))
    assert len(text) == 9 and {len(t) for t in text.to_pylist()} == {10}


def test_a_corpus_is_the_same_each_time_and_holds_near_duplicates(tmp_path):
    texts = gpu_corpus._texts("latin", 200_000, 3)
    assert texts.equals(gpu_corpus._texts("latin", 200_000, 3))
    assert not texts.equals(gpu_corpus._texts("latin", 200_000, 4))
    found = dedup.shingle_sets(dedup.normalise(texts.cast(pa.large_string())), "word:5")
    pairs = np.array(list(pairwise(range(len(texts)))))
    shared, union = dedup.jaccard(*found, pairs)
    near = dedup.similar(shared, union, "0.8").mean()
    assert 0.1 < near < 0.3
    assert (shared == union).mean() < near


def test_folders_differ_where_a_file_is_missing_or_other_bytes(tmp_path):
    for name, files in {
        "one": {"a": "1", "b": "2", "timings.json": "3"},
        "two": {"a": "1", "b": "x"},
    }.items():
        for file, text in files.items():
            (tmp_path / name / "deep").mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "deep" / file).write_text(text)
    assert gpu_job.differences(tmp_path / "one", tmp_path / "two") == ["deep/b"]
    (tmp_path / "two" / "c").write_text("")
    assert gpu_job.differences(tmp_path / "one", tmp_path / "two") == ["c", "deep/b"]


def test_a_command_line_that_lacks_an_option_is_named():
    assert gpu_job.why("error: No such option: --gpu-memory Try: toolkit --help").endswith("--gpu-memory")
    assert gpu_job.why("error: the card is on fire") == "error: the card is on fire"


def test_a_job_that_was_not_compared_is_no_same_bytes():
    rows = [{"same bytes": gpu_job.MEASURE, "device": "cpu"}, {"device": "cuda", "missing": "no time left"}]
    assert dict(gpu.verdicts({"budget": {"rows": rows}})) == {
        "budget: the same bytes as on the CPU": "not compared"
    }
    rows[1] = {"same bytes": ["part-00000.parquet"], "device": "cuda"}
    assert dict(gpu.verdicts({"budget": {"rows": rows}})) == {"budget: the same bytes as on the CPU": "NO"}


def test_what_there_is_no_time_for_is_named():
    rates = {"operations": {}, "bytes": {}}
    rows = gpu_kernels.kernels_of(FORWARD, rates, {}, 1000, 1, time.perf_counter() - 1)
    assert rows and all(row["missing"] == "no time left" for row in rows)
