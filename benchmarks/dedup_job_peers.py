"""How each tool dedups a folder of Parquet files: survivors out, and with us the evidence.

    python -m benchmarks.dedup_job_peers NAME IN OUT CORES

``JOBS``: contestant -> a function (folder in, folder out, cores). Same words in a shingle (5), same
number of hashes (128) and same threshold (0.8), else each as its documentation says. ``kept`` reads
the ids of what a job left.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

THRESHOLD, K, WORDS = "0.8", 128, 5


def toolkit_command(folder: Path, out: Path, cores: int) -> list[str]:
    """The command that dedups all files of ``folder``."""
    files = sorted(map(str, folder.glob("*.parquet")))
    more = ["--threshold", THRESHOLD, "--shingle", f"word:{WORDS}", "--workers", str(cores), "-q"]
    return [sys.executable, "-m", "toolkit", "dedup", *files, "--out", str(out), *more]


def _toolkit(folder: Path, out: Path, cores: int) -> None:
    command = toolkit_command(folder, out, cores)
    os.execv(command[0], command)  # this process becomes the command itself


def _text_dedup(folder: Path, out: Path, cores: int) -> None:
    out.mkdir(parents=True)
    os.environ |= {"HF_HOME": str(out / "home"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    options = {
        "path": "parquet", "data_files": str(folder / "*.parquet"), "split": "train",
        "cache_dir": str(out / "cache"), "output": str(out / "kept"), "column": "text",
        "num_proc": cores, "ngram": WORDS, "num_perm": K, "threshold": THRESHOLD,
        "hash_func": "xxh3", "hash_bits": 32, "min_length": 1,
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    os.execv(sys.executable, [sys.executable, "-m", "text_dedup.minhash", *arguments])


def _datatrove(folder: Path, out: Path, cores: int, language: str) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    config = MinhashConfig(n_grams=WORDS, num_buckets=K // 8, hashes_per_bucket=8)
    files = len(list(folder.glob("*.parquet")))
    signatures, buckets, removed = (str(out / name) for name in ("signatures", "buckets", "removed"))

    def reader() -> ParquetReader:
        return ParquetReader(str(folder), glob_pattern="*.parquet")

    def run(name: str, pipeline: list[Any], tasks: int) -> None:
        logs = str(out / "logs" / name)
        LocalPipelineExecutor(pipeline, tasks, min(cores, tasks), logs, start_method="fork").run()

    step = MinhashDedupSignature(signatures, config, datatrove_language(language))
    run("signatures", [reader(), step], files)
    run("buckets", [MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets)
    run("cluster", [MinhashDedupCluster(buckets, removed, config=config)], 1)
    filtering = MinhashDedupFilter(removed, ParquetWriter(str(out / "dropped")))
    run("filter", [reader(), filtering, ParquetWriter(str(out / "kept"))], files)


def datatrove_language(language: str) -> Any:
    """``eng`` for its own words (spaCy); ``white space`` for words cut by ``str.split``, which is faster."""
    if language != "white space":
        return language
    from datatrove.utils.word_tokenizers import WordTokenizer

    class WhiteSpace(WordTokenizer):
        """Words between white space."""

        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        sent_tokenize = span_tokenize = word_tokenize

    return WhiteSpace()


@dataclass(frozen=True)
class Job:
    """A contestant: the package that must be there, its work, and what is not alike in it."""

    package: str
    run: Callable[[Path, Path, int], None]
    does: str


JOBS: dict[str, Job] = {
    "toolkit": Job("toolkit", _toolkit, "bands by its own choice; verifies; evidence of every removal"),
    "text-dedup": Job(
        "text_dedup", _text_dedup,
        "words between non-letters; bands by its own choice; unverified; chains; no evidence",
    ),
    "datatrove, white space": Job(
        "datatrove", partial(_datatrove, language="white space"),
        "16 bands of 8; no punctuation, numbers alike; words by str.split; unverified; chains; "
        "what it drops written apart",
    ),
    "datatrove": Job(
        "datatrove", partial(_datatrove, language="eng"), "the same with its own words (spaCy)"
    ),
}  # fmt: skip


def kept(name: str, out: Path) -> set[str]:
    """The ids of the survivors."""
    import pyarrow.parquet as pq

    if name == "text-dedup":
        from datasets import load_from_disk

        return set(load_from_disk(str(out / "kept"))["id"])
    folder = out if name == "toolkit" else out / "kept"
    tables = [pq.read_table(path, columns=["id"]) for path in sorted(folder.glob("*.parquet"))]
    return {found for table in tables for found in table["id"].to_pylist()}


if __name__ == "__main__":
    chosen, source, target, count = sys.argv[1:]
    JOBS[chosen].run(Path(source), Path(target), int(count))
