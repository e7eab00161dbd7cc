"""The command line: exit codes, one message and no traceback, JSON for machines, and the same defaults."""

import inspect
import json
import os
import subprocess
import sys

import pytest

import toolkit
from toolkit.cli.main import app


def cli(*arguments, **options):
    command = [sys.executable, "-m", "toolkit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "dumps"
    assert cli("synth", out, "--records", "300").returncode == 0
    done = cli("run", out / "spec.toml")
    assert done.returncode == 0, done.stderr
    return out


def test_run_says_what_it_does_on_plain_lines(dumps):
    (dumps / "spec.toml").write_text((dumps / "spec.toml").read_text().replace("2048", "1024"))
    done = cli("run", dumps / "spec.toml")
    assert "tokens: " in done.stderr
    assert "report " in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_quiet_says_nothing_but_the_result(dumps):
    assert cli("run", dumps / "spec.toml", "--quiet").stderr == ""


@pytest.mark.parametrize("verb", [["audit"], ["quarantine"], ["trace", "public/word_problems.jsonl:1"]])
def test_json_is_one_document(dumps, verb):
    done = cli(verb[0], dumps / "lake", *verb[1:], "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


def test_run_as_json_holds_the_ledgers(dumps):
    done = cli("run", dumps / "spec.toml", "--json")
    assert json.loads(done.stdout)["manifest"]["ledgers"][0]["stage"] == "ingest"


def test_doctor_is_sound_and_names_every_extra():
    done = cli("doctor")
    assert done.returncode == 0
    assert "pip install -e '.[gpu]'" in done.stdout or "cudf" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.toml"], "cannot read the spec nowhere.toml"),
        (["audit", "nowhere"], "is not a lake"),
        (["frobnicate"], "No such command"),
        (["run"], "Missing argument"),
        (["synth", "x", "--records", "many"], "'--records'"),
        (["run", "nowhere.toml", "--workers", "0"], "cannot read the spec"),
        (["run", "nowhere.toml", "--device", "tpu"], "cannot read the spec"),
    ],
)
def test_a_wrong_request_exits_2_with_one_message(tmp_path, arguments, message):
    done = cli(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_named_pipe_is_refused_with_the_command_that_reads_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused = cli("ingest", tmp_path / "pipe", "--out", tmp_path / "lake")
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"toolkit ingest - < {tmp_path / 'pipe'}\n")


def test_cuda_without_a_gpu_is_refused_clearly(dumps):
    done = cli("run", dumps / "spec.toml", "--device", "cuda")
    assert done.returncode == 2
    assert "cuda" in done.stderr


def test_a_failed_audit_exits_1_and_names_the_file(dumps):
    path = dumps / "lake" / "tokenizer.json"
    data = path.read_bytes()
    path.write_bytes(data + b" ")
    done = cli("audit", dumps / "lake")
    path.write_bytes(data)
    assert done.returncode == 1
    assert "tokenizer.json: its bytes have changed" in done.stdout


def test_a_reader_that_leaves_early_is_no_error(dumps):
    command = f"{sys.executable} -m toolkit trace {dumps}/lake public/word_problems.jsonl:1 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", sorted(toolkit.__all__))
def test_every_verb_is_a_function_with_the_same_defaults(verb):
    command = next(c for c in app.registered_commands if c.callback.__name__ == verb)
    function = inspect.signature(getattr(toolkit, verb)).parameters
    for name, parameter in inspect.signature(command.callback).parameters.items():
        if name in function and parameter.default is not inspect.Parameter.empty:
            default = function[name].default
            assert (parameter.default or None) == (default or None), name


def test_help_is_quick_to_import():
    code = "import sys, toolkit.cli; print('numba' in sys.modules or 'pyarrow' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_nothing_in_the_data_can_give_orders_to_the_terminal(tmp_path):
    evil = "\x1b]0;pwn\x07\x1b[31m"
    rows = [{"prompt": "q", "response": "an answer", "license": f"L{evil}\nforged"}, {f"k{evil}": 1}]
    (tmp_path / f"in{evil}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "spec.toml").write_text('[[source]]\nid = "s"\ntype = "synthetic"\npath = "*.jsonl"\n')
    assert cli("run", tmp_path / "spec.toml", "-q").returncode == 0
    lake = tmp_path / "lake"
    record = toolkit.trace(lake, toolkit.quarantine(lake).lines[0]["sha256"]).journeys[0].record_id
    said = [cli("quarantine", lake), cli("trace", lake, record), cli("trace", lake, "no:1")]
    said.append(cli("forget", lake, "--license", "zzz"))
    assert not any("\x1b" in done.stdout + done.stderr for done in said)
