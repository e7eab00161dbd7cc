"""The spec: one TOML file that says what goes in, what is done to it, and where it goes.

Every table is a frozen dataclass below, and its fields are the allowed keys, so the spec,
its defaults and its checks cannot drift apart. Paths are relative to the spec's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

TEMPLATES = ("chatml", "gemma", "llama-3", "mistral", "qwen", "zephyr")
METHODS = ("fewest", "best_fit_decreasing", "first_fit_decreasing", "balanced", "next_fit")
OVER = ("drop", "truncate_left", "truncate_right", "split")
POLICIES = ("drop", "cut", "flag")


@dataclass(frozen=True)
class LakeTable:
    """``[lake]``: where the lake is, the date its records carry, and how far it goes (bronze or gold)."""

    path: str = "lake"
    logical_date: str | None = None
    layer: str = "gold"


@dataclass(frozen=True)
class Source:
    """``[[source]]``: one origin of records."""

    id: str
    type: str
    path: str | Sequence[str]
    license: str | None = None
    consent: bool | None = None
    regime: str = "auto"
    rank: int = 100
    format: str = "auto"
    document: str = "blank-line"
    declared_id: str | None = None
    require: Sequence[str] = ()
    map: Mapping[str, Any] = field(default_factory=dict)
    pii: str | None = None


@dataclass(frozen=True)
class Ingest:
    """``[ingest]``: how raw files are cut and what is too much."""

    shard_bytes: int = 8 << 20
    max_line_bytes: int = 16 << 20
    max_reject_share: float = 1.0
    compression: str = "zst"
    level: int | None = None

    @property
    def used_level(self) -> int:
        """The level of the compression: its own default where none is given."""
        return {"zst": 1, "gz": 6, "none": 0}[self.compression] if self.level is None else self.level


@dataclass(frozen=True)
class Quality:
    """``[quality]``: hard gates; a record that fails one is removed with evidence."""

    min_chars: int = 1
    min_words: int = 0
    min_alpha_share: float = 0.0
    deny_licenses: Sequence[str] = ()
    deny_generators: Sequence[str] = ()


@dataclass(frozen=True)
class EvalSet:
    """``[[decontaminate.set]]``: an evaluation set that training data must not contain.

    ``sha256`` pins it: of its one file, or where ``path`` names several, of the lines of ``sha256sum``.
    """

    id: str
    path: str
    fields: Sequence[str] = ()
    sha256: str | None = None


@dataclass(frozen=True)
class Decontaminate:
    """``[decontaminate]``: n-gram spans shared with evaluation sets, and what becomes of their records.

    ``policy``: ``drop`` the record, ``cut`` a chat before the exchange that holds the first span (other
    records are dropped), or ``flag`` it: it stays, with the same evidence.
    """

    ngram: int = 13
    short_ngram: int | None = None
    short_min: int = 5
    policy: str = "drop"
    set: Sequence[EvalSet] = ()

    @property
    def used_short_ngram(self) -> int:
        """``short_ngram``, by default 8, or what is nearest to 8 from ``short_min`` to ``ngram``."""
        return min(max(8, self.short_min), self.ngram) if self.short_ngram is None else self.short_ngram


@dataclass(frozen=True)
class Dedup:
    """``[dedup]``: how alike is too alike, and of those that are, which one stays.

    ``keep`` is the order of preference: ``rank`` of the source, ``length``, ``quality.words`` and
    the like, the larger the better but for the rank; what it leaves equal, the id decides.
    ``common`` is the share of a source's texts from which on a shingle is its template and left
    out of the comparison; none in a lake where it is not given, as system prompts are not compared.
    ``chains`` removes whole connected components. ``index`` keeps the sketches and the normalised
    texts in the lake, so that what is added later is compared with them and old texts are read only
    to verify.
    """

    threshold: float = 0.8
    shingle: str = "word:5"
    recall: float = 0.995
    seed: int = 1
    slots: int = 128
    scheme: str = "affine-1"
    common: float | None = None
    keep: Sequence[str] = ("rank", "length", "id")
    chains: bool = False
    max_loss: float = 1.0
    index: bool = False


@dataclass(frozen=True)
class Packing:
    """``[packing]``: the tokenizer, the chat template, and how documents become packs of ``context`` tokens.

    ``template`` is a ready one by name, or the path of a Jinja file or of a tokenizer_config.json.
    ``method`` puts documents into packs. ``over`` says what becomes of a record that is longer than the
    context: ``drop`` it, ``truncate_left``, ``truncate_right`` or ``split`` it.
    """

    context: int = 2048
    tokenizer: str | None = None
    vocab_size: int = 8192
    template: str = "chatml"
    method: str = "fewest"
    over: str = "drop"


@dataclass(frozen=True)
class Spec:
    """A whole spec; ``base`` is the folder its paths are relative to."""

    base: Path
    lake: LakeTable = field(default_factory=LakeTable)
    source: Sequence[Source] = ()
    ingest: Ingest = field(default_factory=Ingest)
    quality: Quality = field(default_factory=Quality)
    decontaminate: Decontaminate = field(default_factory=Decontaminate)
    dedup: Dedup = field(default_factory=Dedup)
    packing: Packing = field(default_factory=Packing)

    @property
    def lake_path(self) -> Path:
        """The lake's folder."""
        return (self.base / self.lake.path).resolve()


def as_data(value: Any) -> Any:
    """A spec table as plain data, for hashing and for JSON; ``base`` is left out."""
    if hasattr(value, "__dataclass_fields__"):
        return {
            item.name: as_data(getattr(value, item.name)) for item in fields(value) if item.name != "base"
        }
    if isinstance(value, Mapping):
        return {key: as_data(item) for key, item in value.items()}
    return [as_data(item) for item in value] if isinstance(value, tuple | list) else value
