"""A folder that a verb refused to fill is still its owner's, and so is what they put into it."""

import pytest

import toolkit
from toolkit.errors import RequestError
from toolkit.packing import train

LINE = (
    b'{"messages":[{"role":"user","content":"a long question"},{"role":"assistant","content":"an answer"}]}\n'
)


@pytest.mark.parametrize("verb", ["dedup", "pack", "decontaminate"])
def test_after_a_refusal_the_folder_is_not_ours(tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(train(["a text " * 9], 300, ()))
    (tmp_path / "in.jsonl").write_bytes(LINE)
    (tmp_path / "eval.jsonl").write_bytes(b'{"question":"what is it that nobody asks","answer":"this"}\n')
    more = {
        "dedup": {},
        "pack": {"tokenizer": "tokenizer.json", "context": 512},
        "decontaminate": {"against": ["eval.jsonl"]},
    }[verb]
    call = getattr(toolkit, verb)
    with pytest.raises(RequestError):
        call("missing.jsonl", out="out", workers=1, **more)
    (tmp_path / "out").mkdir(exist_ok=True)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "out" / "part-00000.jsonl").write_bytes(b"somebody's")
    with pytest.raises(RequestError, match="not empty"):
        call("in.jsonl", out="out", workers=1, **more)
    assert (tmp_path / "out" / "part-00000.jsonl").read_bytes() == b"somebody's"
