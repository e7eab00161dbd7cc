"""Hostile specs and inputs: a clear message, the stated exit code, the lake as it was or resumable."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lakes import small_world, tree, write_lines

import toolkit
from toolkit.errors import GateError, RequestError, ToolkitError
from toolkit.storage import locked


def run_spec(folder, *sources, extra=""):
    """Run a spec with these ``[[source]]`` bodies."""
    blocks = "".join(f"[[source]]\n{body}\n" for body in sources)
    spec = folder / "spec.toml"
    spec.write_text(f'[lake]\nlogical_date = "2026-11-22"\n{blocks}{extra}')
    return toolkit.run(spec, workers=1)


def source(path, name="s", more=""):
    return f'id = "{name}"\ntype = "web_scrape"\npath = "{path}"\n{more}'


def good(number=5):
    return [{"prompt": f"q{i}", "response": f"an answer that is number {i} of some"} for i in range(number)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (source("missing.jsonl"), "no file at .*missing.jsonl"),
        (source("void"), "the folder .*void is empty"),
        (source("*.nope"), "no file at"),
        (source("zero.jsonl"), "is empty: no byte in .*zero.jsonl"),
        (source("ok.jsonl", "../up"), "cannot name a folder"),
        (source("ok.jsonl", "a/../../b"), "cannot name a folder"),
        (source("ok.jsonl", ".."), "cannot name a folder"),
        (
            source("ok.jsonl", "s", 'licens = "MIT"'),
            r"spec.toml:7: source\[0\].licens: unknown key.*'license'",
        ),
        (source("ok.jsonl", "s", "rank = true"), "expected a whole number, found True"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(tmp_path, body, message):
    write_lines(tmp_path / "ok.jsonl", good())
    (tmp_path / "void").mkdir()
    (tmp_path / "zero.jsonl").write_bytes(b"")
    with pytest.raises(RequestError, match=message):
        run_spec(tmp_path, body)
    assert not (tmp_path / "lake").exists()


def test_a_file_without_rights_is_named(tmp_path, monkeypatch):
    path = write_lines(tmp_path / "ok.jsonl", good())
    opened = Path.open

    def refuse(self, *arguments, **options):
        if self.name == "ok.jsonl":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RequestError, match=r"may not read .*ok.jsonl"):
        run_spec(tmp_path, source("ok.jsonl"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_lake_folder_without_rights_is_named(tmp_path):
    write_lines(tmp_path / "ok.jsonl", good())
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ToolkitError, match="may not write there"):
            toolkit.run(write_spec_elsewhere(tmp_path), workers=1)
    finally:
        tmp_path.chmod(0o700)


def write_spec_elsewhere(folder):
    spec = folder.parent / f"{folder.name}.toml"
    spec.write_text(f'[lake]\npath = "{folder}/lake"\n[[source]]\n{source(f"{folder}/ok.jsonl")}')
    return spec


def test_a_folder_that_is_no_lake_is_left_alone(tmp_path):
    write_lines(tmp_path / "ok.jsonl", good())
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "thesis.txt").write_text("my only copy")
    with pytest.raises(RequestError, match="is not empty and is not a lake"):
        run_spec(tmp_path, source("ok.jsonl"))
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["thesis.txt"]


def test_a_file_of_the_users_inside_a_lake_is_never_deleted(tmp_path):
    write_lines(tmp_path / "ok.jsonl", good())
    lake = run_spec(tmp_path, source("ok.jsonl")).lake
    (lake / "notes.txt").write_text("mine")
    run_spec(tmp_path, source("ok.jsonl"), extra="[packing]\ncontext = 128\n")
    assert (lake / "notes.txt").read_text() == "mine"


def test_a_second_run_on_a_lake_says_so_and_leaves(tmp_path):
    spec = small_world(tmp_path)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "spec.toml").write_text(spec.read_text())
    with locked(tmp_path / "lake"), pytest.raises(ToolkitError, match="being written by another run"):
        toolkit.run(spec, workers=1)


def test_too_many_rejects_stop_the_run_before_anything_is_published(tmp_path):
    write_lines(tmp_path / "half.jsonl", [*good(5), b"{", b"[", b"x", b"1"])
    with pytest.raises(GateError, match=r"4 of 9 lines were rejected.*max_reject_share allows 10"):
        run_spec(tmp_path, source("half.jsonl"), extra="[ingest]\nmax_reject_share = 0.1\n")
    assert not (tmp_path / "lake" / "MANIFEST.json").exists()
    with pytest.raises(RequestError, match="unfinished"):
        toolkit.audit(tmp_path / "lake")


def test_html_and_script_in_a_record_stay_text_in_the_report(tmp_path):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)> & more words to be kept"
    rows = [{"prompt": evil, "response": f"{evil} {i}"} for i in range(3)]
    write_lines(tmp_path / "evil.jsonl", [*rows, {"<script>alert(3)</script>": evil}])
    page = run_spec(tmp_path, source("evil.jsonl")).report.read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_source_whose_every_line_is_bad_gives_an_empty_but_sound_lake(tmp_path):
    write_lines(tmp_path / "bad.jsonl", [b"{", b"nope", {"a": 1}])
    result = run_spec(tmp_path, source("bad.jsonl"))
    assert result.rows()[0][1:3] == (3, 1)
    assert toolkit.audit(result.lake).ok


def test_one_line_gives_a_whole_lake(tmp_path):
    write_lines(tmp_path / "one.jsonl", good(1))
    assert toolkit.audit(run_spec(tmp_path, source("one.jsonl")).lake).ok


def test_a_line_longer_than_a_shard_is_kept_whole(tmp_path):
    long = {"prompt": "q", "response": " ".join(f"w{i}" for i in range(2000))}
    write_lines(tmp_path / "long.jsonl", [*good(2), long, *good(5)[2:]])
    limits = "[ingest]\nshard_bytes = 1024\n[packing]\ncontext = 65536\n"
    result = run_spec(tmp_path, source("long.jsonl"), extra=limits)
    assert result.rows()[-1][2] == 6


def test_a_record_longer_than_the_context_is_removed_with_its_length(tmp_path):
    write_lines(tmp_path / "s.jsonl", [*good(4), {"prompt": "q", "response": "word " * 400}])
    result = run_spec(tmp_path, source("s.jsonl"), extra="[packing]\ncontext = 64\nvocab_size = 300\n")
    assert "filter:over_context" in repr(toolkit.trace(result.lake, "s.jsonl:5"))
    assert toolkit.audit(result.lake).ok


def test_the_same_bytes_under_two_names_land_once(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        write_lines(tmp_path / "in" / name, good(4))
    result = run_spec(tmp_path, source("in"))
    assert result.rows()[0] == ("ingest", 8, 4, 0, 4)
    assert "b.jsonl:2: this file has the bytes of in/a.jsonl" in repr(
        toolkit.trace(result.lake, "in/b.jsonl:2")
    )
    assert toolkit.audit(result.lake).ok


def test_a_tokenizer_that_is_none_is_refused(tmp_path):
    write_lines(tmp_path / "ok.jsonl", good())
    (tmp_path / "tok.json").write_text('{"not": "a tokenizer"}')
    with pytest.raises(RequestError, match=r"tok.json"):
        run_spec(tmp_path, source("ok.jsonl"), extra='[packing]\ntokenizer = "tok.json"\n')


def test_an_evaluation_set_that_cannot_be_read_whole_stops_the_run(tmp_path):
    write_lines(tmp_path / "ok.jsonl", good())
    write_lines(tmp_path / "eval.jsonl", [{"question": "x"}, {"other": "y"}])
    sets = '[[decontaminate.set]]\nid = "e"\npath = "eval.jsonl"\nfields = ["question"]\n'
    with pytest.raises(RequestError, match=r"eval.jsonl:2: no field 'question'; it has other"):
        run_spec(tmp_path, source("ok.jsonl"), extra=sets)


def test_a_disk_that_fills_says_so_and_the_same_command_goes_on(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        rows = [{"prompt": os.urandom(9).hex(), "response": os.urandom(400).hex()} for _ in range(600)]
        write_lines(tmp_path / "big.jsonl", rows)
        spec = tmp_path / "spec.toml"
        table = f'[lake]\npath = "{disk}/lake"\n[ingest]\nshard_bytes = 65536\n'
        spec.write_text(f"{table}[[source]]\n{source('big.jsonl')}")
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", "run", str(spec), "-q"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "the disk is full: free some space, then run the same command again" in done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        assert toolkit.audit(toolkit.run(spec, workers=1).lake).ok
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_failed_write_leaves_no_leftover_after_the_next_run(tmp_path, monkeypatch):
    spec = small_world(tmp_path)
    calls = iter(range(1000))
    real = Path.replace

    def fail(self, target):
        if next(calls) == 9:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ToolkitError, match="the disk reported an error"):
        toolkit.run(spec, workers=1)
    monkeypatch.undo()
    lake = toolkit.run(spec, workers=1).lake
    assert not list(lake.rglob(".tmp-*"))
    assert not (lake / ".work").exists()


def test_a_killed_worker_is_reported_and_the_run_can_go_on(tmp_path):
    spec = small_world(tmp_path, "\n[ingest]\nshard_bytes = 2048\n")
    script = tmp_path / "bomb.py"
    script.write_text(
        "import os, signal, sys\n"
        "import toolkit.pipeline.processes as p\n"
        "import toolkit.pipeline.workers as w\n"
        "from toolkit.pipeline.stages.refine import RefineJob\n"
        "from toolkit.cli import main\n"
        "p.START = p.FORK = 0.0\n"
        "real = w.Workers.run\n"
        "def run(self, jobs, advance):\n"
        "    if jobs and isinstance(jobs[0], RefineJob):\n"
        "        pool = self._pool(1)\n"
        "        pool.submit(os.kill, 0, 0).result()\n"
        "        os.kill(next(iter(pool._processes)), signal.SIGKILL)\n"
        "    return real(self, jobs, advance)\n"
        "w.Workers.run = run\n"
        f"sys.argv = ['toolkit', 'run', {str(spec)!r}, '-q', '--workers', '2']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "a worker process was killed" in done.stderr
    assert toolkit.audit(toolkit.run(spec, workers=2).lake).ok


def test_a_renamed_lake_folder_is_still_a_lake(tmp_path):
    spec = small_world(tmp_path)
    toolkit.run(spec, workers=1)
    (tmp_path / "lake").rename(tmp_path / "moved")
    assert toolkit.audit(tmp_path / "moved").ok
    assert len(toolkit.trace(tmp_path / "moved", "a.jsonl:1").journeys) == 1
    assert toolkit.audit(toolkit.forget(tmp_path / "moved", source="b", workers=1).lake).ok


def test_nothing_outside_the_lake_is_touched(tmp_path):
    spec = small_world(tmp_path)
    before = tree(tmp_path)
    lake = toolkit.run(spec, workers=1).lake
    after = {name: digest for name, digest in tree(tmp_path).items() if not name.startswith("lake/")}
    assert after == before
    assert json.loads((lake / "MANIFEST.json").read_text())["format"] == 1


def test_one_endless_word_does_not_hold_the_tokenizer_up(tmp_path):
    write_lines(tmp_path / "s.jsonl", [*good(5), {"prompt": "q", "response": "a" * 300_000}])
    result = run_spec(tmp_path, source("s.jsonl"), extra="[packing]\ncontext = 64\nvocab_size = 300\n")
    assert result.rows()[-1][2] == 5
