"""Whole pipelines on every device that is there: byte for byte what the CPU writes."""

import hashlib
import json
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lakes import words, write_lines

import toolkit
from toolkit.errors import RequestError
from toolkit.kernels import Device, pick
from toolkit.kernels.cuda import host
from toolkit.pipeline import jobs, workers

WORDS = [f"w{i}" for i in range(120)] + ["\u00e9t\u00e9", "\u4e2d\u6587\u5b57", "don't", "x" * 40, "MAT_x"]
QUIZ, SHORT = words("quiz", 15), words("short", 6)


def texts(seed, count):
    """Copies, near copies and strangers in several scripts; empty, giant and repeated texts."""
    draw, made = random.Random(seed), ["", " ", "a", "same " * 400, "\x00 nul", "\u4e2d" * 300]
    for _ in range(count):
        kind = draw.random()
        if kind < 0.25:
            said = draw.choice(made).split(" ")
            for _ in range(draw.choice((1, 1, 3))):
                said[draw.randrange(len(said))] = draw.choice(WORDS)
            made.append(" ".join(said))
        elif kind < 0.35:
            made.append(draw.choice(made).upper().replace(" ", "\t\u00a0 "))
        elif kind < 0.4:
            made.append(" ".join([*draw.choices(WORDS, k=9), draw.choice((QUIZ, SHORT)), "end"]))
        else:
            made.append(" ".join(draw.choices(WORDS, k=draw.randrange(3, 45))))
    return made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    said = texts(4, 130)
    chats = [[{"role": "user", "content": "A template of words that all have: " + t}] for t in said[60:]]
    write_lines(folder / "in" / "a.jsonl", [{"id": i, "text": text} for i, text in enumerate(said[:60])])
    write_lines(folder / "in" / "b.jsonl", [{"messages": chat} for chat in chats[:40]])
    pq.write_table(pa.table({"messages": chats[40:]}), folder / "in" / "c.parquet", row_group_size=15)
    write_lines(folder / "eval.jsonl", [{"q": QUIZ, "a": "same"}, {"q": SHORT, "a": "\u4e2d\u6587\u5b57"}])
    return folder


NOT_THE_SAME = (".html", "timings.json")  # they say how long it took


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


DEDUPS = {
    "words": {},
    "bytes": {"shingle": "byte:9", "threshold": 0.7, "scheme": "rounds-1"},
    "chains, no template": {"chains": True, "common": 0.0, "scheme": "rounds-1", "slots": 64},
}


@pytest.fixture(scope="module")
def on_cpu(corpus, tmp_path_factory):
    """The folder of what the CPU writes, made once for each request."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("cpu") / "out"
            if name in DEDUPS:
                toolkit.dedup(corpus / "in", made[name], **DEDUPS[name], workers=1, device="cpu")
            else:
                sets, how = corpus / "eval.jsonl", {"policy": name, "workers": 1, "device": "cpu"}
                toolkit.decontaminate(corpus / "in", sets, made[name], ngram=8, **how)
        return made[name]

    return folder


@pytest.mark.parametrize("name", DEDUPS)
@pytest.mark.parametrize("how", [{}, {"workers": 2}, {"gpu_memory": "6kB"}], ids=str)
def test_dedup_writes_the_cpus_bytes(corpus, on_cpu, tmp_path, gpu, name, how):
    if "gpu_memory" in how and gpu == "cuda":
        how = {"gpu_memory": "100kB"}
    launched = host.Host.launches
    toolkit.dedup(corpus / "in", tmp_path / "out", **DEDUPS[name], device=gpu, **{"workers": 1, **how})
    assert tree(tmp_path / "out") == tree(on_cpu(name))
    assert host.Host.launches > launched + 15 or "workers" in how or gpu == "cuda"


@pytest.mark.parametrize("policy", ["drop", "cut", "flag"])
@pytest.mark.parametrize("how", [{"workers": 1}, {"workers": 2, "gpu_memory": "20kB"}], ids=str)
def test_decontamination_writes_the_cpus_bytes(corpus, on_cpu, tmp_path, gpu, policy, how):
    sets = corpus / "eval.jsonl"
    toolkit.decontaminate(corpus / "in", sets, tmp_path / "out", ngram=8, policy=policy, device=gpu, **how)
    assert tree(tmp_path / "out") == tree(on_cpu(policy))
    assert json.loads((tmp_path / "out" / "ledger.json").read_text())["ledger"]["removed"] or policy == "flag"


def test_a_dask_cluster_uses_the_runs_device_and_writes_the_cpus_bytes(corpus, on_cpu, tmp_path, gpu):
    pytest.importorskip("distributed")
    toolkit.dedup(corpus / "in", tmp_path / "out", cluster="local:2", device=gpu)
    assert tree(tmp_path / "out") == tree(on_cpu("words"))


def test_what_one_device_did_another_does_not_do_again(corpus, tmp_path, gpu):
    source = corpus / "in" / "a.jsonl"
    first = toolkit.dedup(source, tmp_path / "out", workers=1, device="cpu")
    again = toolkit.dedup(source, tmp_path / "out", workers=1, device=gpu, gpu_memory="3MB")
    assert (first.worked, again.worked) == (True, False)


def test_a_run_of_a_lake_writes_the_cpus_bytes(tmp_path, gpu):
    toolkit.synth(tmp_path / "dumps", records=120, seed=3)
    spec = tmp_path / "dumps" / "spec.toml"
    trees = []
    for device in ("cpu", gpu):
        lake = toolkit.run(spec, workers=1, device=device).lake
        trees.append({path: sha for path, sha in tree(lake).items() if not path.endswith(NOT_THE_SAME)})
        lake.rename(tmp_path / f"{device}-lake")
    assert trees[0] == trees[1]


@pytest.mark.parametrize("verb", ["run", "dedup", "decontaminate"])
def test_cuda_without_a_card_is_refused_before_anything_is_written(corpus, tmp_path, verb, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    arguments = {
        "run": lambda: toolkit.run(write_spec(tmp_path), device="cuda"),
        "dedup": lambda: toolkit.dedup(corpus / "in", tmp_path / "out", device="cuda"),
        "decontaminate": lambda: toolkit.decontaminate(
            corpus / "in", corpus / "eval.jsonl", tmp_path / "out", device="cuda"
        ),
    }
    with pytest.raises(RequestError, match=r"says 'cuda', but CuPy is not installed.*run on the CPU"):
        arguments[verb]()
    assert not (tmp_path / "out").exists() and not (tmp_path / "lake").exists()


def write_spec(folder):
    write_lines(folder / "in.jsonl", [{"prompt": "a", "response": "b"}])
    path = folder / "spec.toml"
    path.write_text('[[source]]\nid = "s"\ntype = "synthetic"\npath = "in.jsonl"\n')
    return path


def test_the_command_line_refuses_memory_that_it_cannot_read(corpus, tmp_path):
    command = [sys.executable, "-m", "toolkit", "dedup", corpus / "in", "--out", tmp_path / "out", "-q"]
    done = subprocess.run([*command, "--gpu-memory", "lots"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "expected a number of bytes such as 20GB" in done.stderr
    done = subprocess.run([*command, "--device", "cpu", "--gpu-memory", "1GB"], check=False)
    assert done.returncode == 0


class Asks:
    """A job that says which device its process uses, and how."""

    def run(self):
        from toolkit.kernels import door

        opened = door()
        return [("cpu", None) if opened is None else (opened.name, opened.budget)]


@pytest.mark.parametrize("how", [{"count": 1}, {"count": 3}, {"count": 2, "cluster": "local:2"}], ids=str)
@pytest.mark.parametrize("said", ["cpu", "host"])
def test_every_process_uses_what_the_run_picked_whatever_its_environment_says(monkeypatch, how, said):
    if "cluster" in how:
        pytest.importorskip("distributed")
    monkeypatch.setenv("TOOLKIT_DEVICE", "tpu")
    picked = pick(said, "60kB", how["count"])
    with workers.Workers(**how, device=picked) as pool:
        outcomes = pool.run([Asks() for _ in range(8)], lambda _: None)
    wanted = ("cpu", None) if said == "cpu" else ("host", 60_000 // how["count"])
    assert [outcome.manifests for outcome in outcomes] == [[wanted]] * 8


class Cluster:
    made = None

    def __init__(self, **options):
        Cluster.made = type(self).__name__, options["n_workers"]


class Client:
    def __init__(self, cluster):
        pass

    def get_executor(self, pure):
        pass


@pytest.mark.parametrize("count", [2, 3])
def test_as_many_cards_as_workers_get_dasks_cluster_of_cards(monkeypatch, count):
    """And each worker's own card is the first that it sees; else all share those that there are."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setitem(sys.modules, "dask_cuda", type(sys)("dask_cuda"))
    sys.modules["dask_cuda"].LocalCUDACluster = type("LocalCUDACluster", (Cluster,), {})
    monkeypatch.setattr(distributed, "LocalCluster", type("LocalCluster", (Cluster,), {}))
    monkeypatch.setattr(distributed, "Client", Client)
    pool = workers.Workers(cluster=f"local:{count}", device=Device("cuda", "", 10, (0, 1)))
    pool._connect()
    assert Cluster.made == ("LocalCUDACluster" if count == 2 else "LocalCluster", count)
    assert pool._theirs.cards == ((0,) if count == 2 else (0, 1))


def test_an_edited_kernel_makes_old_parts_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_HOUSE", tmp_path)
    monkeypatch.setattr(jobs, "_ROOMS", ("kernels",))
    (tmp_path / "kernels" / "cuda").mkdir(parents=True)
    digests = []
    for name in ("a.py", "cuda/b.cu", "cuda/c.cuh"):
        (tmp_path / "kernels" / name).write_text("1")
        digests.append(jobs.code_digest.__wrapped__())
    (tmp_path / "kernels" / "cuda" / "c.cuh").write_text("2")
    assert len({*digests, jobs.code_digest.__wrapped__()}) == 4
