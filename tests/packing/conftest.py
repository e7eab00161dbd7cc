import json
from pathlib import Path

import pytest

from toolkit.packing import from_vocab, load, train
from toolkit.packing.tokens.vocabulary import byte_alphabet

GPT2 = Path(__file__).parents[3] / "shared" / "data" / "gpt2"
CORPUS = [
    "The cat sat on the mat. The dog didn't.\n",
    "def f(x):\n    return x + 1\n",
    "assistant user system tool <|im_start|> <|im_end|> the the the\r\n",
    "naïve café, 中文 中文, Привет мир, 👍🏽 👍🏽\n",
] * 20


@pytest.fixture(scope="session")
def trained_bytes():
    return train(CORPUS, vocab_size=600)


@pytest.fixture(scope="session")
def pinned(trained_bytes):
    return load(trained_bytes)


def tiny_gpt2(folder):
    """A vocab.json and merges.txt in GPT-2's form: bytes, a few merges, <|endoftext|> last."""
    tokens = sorted(byte_alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "m"), ("Ċ", "Ċ")]
    tokens += ["".join(pair) for pair in merges] + ["<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    return from_vocab(folder / "vocab.json", folder / "merges.txt")


def plain_controls(trained):
    """Control tokens that the file calls not special, and that eat the white space around them."""
    spec = json.loads(trained)
    for token in spec["added_tokens"]:
        token.update(special=False, normalized=True, lstrip=True, rstrip=True)
    return json.dumps(spec).encode()


# GPT-4's rule for words, as many files spell it
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def added(content, id_, **flags):
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id_, "content": content, **plain, **flags}


def side_effects(trained):
    """Every setting that helps a chat and harms data, in one file."""
    spec = json.loads(trained)
    last, bos = max(spec["model"]["vocab"].values()), "<|endoftext|>"
    split = {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}
    special = {"id": bos, "ids": [0], "tokens": [bos]}
    pieces = [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    pair = [*pieces, {"Sequence": {"id": "B", "type_id": 1}}]
    spec |= {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKC"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": pieces,
            "pair": pair,
            "special_tokens": {bos: special},
        },
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 8},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    }
    spec["added_tokens"] += [added("<think>", last + 1, special=False), added("<|eot_id|>", last + 2)]
    spec["model"]["dropout"] = 0.5
    return json.dumps(spec).encode()


@pytest.fixture(params=["trained", "tiny_gpt2", "plain_controls", "side_effects", "gpt2"], scope="session")
def any_pinned(request, trained_bytes, tmp_path_factory):
    """Tokenizers of several makes, each with its own way to go wrong."""
    if request.param == "gpt2":
        if not GPT2.is_dir():
            pytest.skip(f"GPT-2's vocabulary is not at {GPT2}")
        return load(from_vocab(GPT2 / "vocab.json", GPT2 / "merges.txt"))
    if request.param == "tiny_gpt2":
        return load(tiny_gpt2(tmp_path_factory.mktemp("gpt2")))
    make = {"trained": bytes, "plain_controls": plain_controls, "side_effects": side_effects}
    return load(make[request.param](trained_bytes))
