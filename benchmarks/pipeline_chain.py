"""The chain that people stitch together today, from raw chats to packed tokens, beside ``toolkit run``.

    python -m benchmarks.pipeline_chain NAME IN OUT CORES TOKENIZER

datatrove reads, filters and removes near-duplicates (MinHash, four stages), Hugging Face ``datasets``
renders with the tokenizer's chat template and tokenizes in batches, TRL packs best-fit decreasing. Each as
its documentation says, on as many processes as there are cores. What no part of it does: quarantine,
evidence, exact similarities, loss masks that were checked, document names, an audit.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CONTEXT, MIN_CHARS, MIN_WORDS = 4096, 16, 3
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
)
SPEC = """\
[lake]
path = {lake}
logical_date = "2026-01-01"

[[source]]
id = "chats"
path = {files}
type = "synthetic"
license = "mit"

[quality]
min_chars = 16
min_words = 3

[packing]
tokenizer = {tokenizer}
context = 4096
"""


def _toolkit(folder: Path, out: Path, cores: int, tokenizer: Path) -> None:
    out.mkdir(parents=True)
    values = {"lake": out / "lake", "files": folder / "*.jsonl", "tokenizer": tokenizer}
    (out / "spec.toml").write_text(SPEC.format(**{k: json.dumps(str(v)) for k, v in values.items()}))
    command = [sys.executable, "-m", "toolkit", "run", str(out / "spec.toml"), "--workers", str(cores), "-q"]
    os.execv(command[0], command)  # this process becomes the command itself


def _chain(folder: Path, out: Path, cores: int, tokenizer: Path, language: str) -> None:
    os.environ |= {"HF_HOME": str(out / "home"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    seconds: dict[str, float] = {}
    for name, step in (
        ("datatrove", partial(_datatrove, folder, out, cores, language)),
        ("tokenize", partial(_tokenize, out, cores, tokenizer)),
        ("pack", partial(_pack, out)),
    ):
        start = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - start
    (out / "seconds.json").write_text(json.dumps(seconds))


def _datatrove(folder: Path, out: Path, cores: int, language: str) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from benchmarks.dedup_job_peers import datatrove_language

    config = MinhashConfig(n_grams=5, num_buckets=16, hashes_per_bucket=8)
    files = len(list(folder.glob("*.jsonl")))
    clean, signatures, buckets, removed = (
        str(out / name) for name in ("clean", "signatures", "buckets", "removed")
    )

    def run(name: str, pipeline: list[Any], tasks: int) -> None:
        logs = str(out / "logs" / name)
        LocalPipelineExecutor(pipeline, tasks, min(cores, tasks), logs, start_method="fork").run()

    def read() -> JsonlReader:
        return JsonlReader(clean, compression=None)

    def plain() -> JsonlWriter:
        return JsonlWriter(clean, compression=None)

    first = [JsonlReader(str(folder), adapter=_adapt, compression=None), LambdaFilter(_good), plain()]
    run("clean", first, files)
    step = MinhashDedupSignature(signatures, config, datatrove_language(language))
    run("signatures", [read(), step], files)
    run("buckets", [MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets)
    run("cluster", [MinhashDedupCluster(buckets, removed, config=config)], 1)
    dropped = JsonlWriter(str(out / "dropped"), compression=None)
    last = JsonlWriter(str(out / "kept"), compression=None)
    run("filter", [read(), MinhashDedupFilter(removed, dropped), last], files)


def _adapt(self: Any, data: dict[str, Any], path: str, id_in_file: int | str) -> dict[str, Any]:
    """The text that is compared, and the messages beside it."""
    messages = data["messages"]
    text = "\n".join(m["content"] for m in messages if m["role"] != "system")
    return {"text": text, "id": data.get("id", f"{path}/{id_in_file}"), "metadata": {"messages": messages}}


def _good(document: Any) -> bool:
    return len(document.text) >= MIN_CHARS and len(document.text.split()) >= MIN_WORDS


def _tokenize(out: Path, cores: int, tokenizer: Path) -> None:
    from datasets import load_dataset
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), eos_token="<|im_end|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    fast.chat_template = CHATML

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        chats = [one["messages"] for one in batch["metadata"]]
        found = fast.apply_chat_template(chats, return_dict=True, return_assistant_tokens_mask=True)
        return {"input_ids": found["input_ids"], "assistant_masks": found["assistant_masks"]}

    files = sorted(str(path) for path in (out / "kept").glob("*.jsonl"))
    rows = load_dataset("json", data_files=files, split="train", cache_dir=str(out / "cache"))
    rows = rows.map(encode, batched=True, num_proc=cores, remove_columns=rows.column_names)
    rows.save_to_disk(str(out / "tokens"))


def _pack(out: Path) -> None:
    from datasets import load_from_disk
    from trl.data_utils import pack_dataset

    packed = pack_dataset(load_from_disk(str(out / "tokens")), CONTEXT, "bfd")
    packed.to_parquet(str(out / "packed.parquet"))


CHAINS: dict[str, Callable[[Path, Path, int, Path], None]] = {
    "toolkit": _toolkit,
    "chain, white space": partial(_chain, language="white space"),
    "chain": partial(_chain, language="eng"),
}
PACKAGES = {"toolkit": ("toolkit",), "chain": ("datatrove", "datasets", "transformers", "trl")}


if __name__ == "__main__":
    chosen, source, target, count, tokens = sys.argv[1:]
    CHAINS[chosen](Path(source), Path(target), int(count), Path(tokens))
