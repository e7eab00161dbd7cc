import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors

from toolkit.packing import from_vocab, load, train

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
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
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


def side_effects(trained):
    """Every setting that helps a chat and harms data, in one file."""
    tokenizer = Tokenizer.from_str(trained.decode())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.NFKC()])
    split = pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}|\s+|[^\s\p{L}\p{N}]+"), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    bos = ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[bos])
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    tokenizer.add_special_tokens([AddedToken("<|eot_id|>", special=True)])
    spec = json.loads(tokenizer.to_str())
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
