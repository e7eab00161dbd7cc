"""Reading a spec: every wrong key, type or value is named with its line and the nearest valid one."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.ingest import FORMATS, parse_contract
from toolkit.ingest.formats.text import check_rule
from toolkit.pipeline.spec.tables import (
    METHODS,
    OVER,
    POLICIES,
    TEMPLATES,
    Decontaminate,
    Dedup,
    Packing,
    Spec,
)
from toolkit.pipeline.spec.toml_lines import key_lines
from toolkit.records import MAP_FIELDS, QUALITY, REGIMES, SOURCE_TYPES
from toolkit.storage import LEVELS

SCHEMES = ("affine-1", "rounds-1")
KEEP = ("rank", "length", *(f"quality.{field.name}" for field in QUALITY), "id")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def load_spec(path: Path) -> Spec:
    """Read and check a spec; RequestError says which key on which line, and the nearest valid key."""
    try:
        text = path.read_text(encoding="utf-8")
    except IsADirectoryError:
        raise RequestError(f"{path} is a folder; expected a spec in TOML.") from None
    except OSError as error:
        raise RequestError(f"cannot read the spec {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from error
    return parse_spec(text, path.resolve().parent, str(path))


def parse_spec(text: str, base: Path, name: str = "spec") -> Spec:
    """Check the TOML ``text``; ``name`` is what error messages call it."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{name}: not valid TOML: {error}") from error
    reader = _Reader(name, key_lines(text))
    if "base" in data:
        reader.unknown("base", [item.name for item in fields(Spec) if item.name != "base"], "")
    if isinstance(lake := data.get("lake"), dict) and isinstance(lake.get("base"), str):
        base = base / lake.pop("base")
    spec = reader.table(Spec, {"base": base, **data}, "")
    reader.check(spec)
    return spec


def check_dedup(table: Dedup) -> None:
    """Check what a dedup was asked for; RequestError names the value that is wrong."""
    _Reader("dedup", {}).dedup(table)


def check_packing(table: Packing, base: Path) -> None:
    """Check what a packing was asked for; RequestError names the value that is wrong."""
    _Reader("pack", {}).packing(table, base)


def check_spec(spec: Spec, name: str = "request") -> None:
    """Check a spec that was not read from a file; RequestError names the value that is wrong."""
    _Reader(name, {}).check(spec)


class _Reader:
    def __init__(self, name: str, lines: Mapping[str, int]) -> None:
        self.name = name
        self.lines = lines

    def fail(self, where: str, problem: str) -> typing.NoReturn:
        place, line = where, None
        while line is None and place:
            line = self.lines.get(place)
            place = place[: place.rindex("[")] if place.endswith("]") else place.rpartition(".")[0]
        at = f"{self.name}:{line}" if line else self.name
        raise RequestError(f"{at}: {where or 'the spec'}: {problem}")

    def table(self, kind: type, data: Any, where: str) -> Any:
        if not isinstance(data, Mapping):
            self.fail(where, f"expected a table, found {data!r}")
        known = {item.name: item for item in fields(kind)}
        hints = typing.get_type_hints(kind)
        for key in data:
            if key not in known:
                self.unknown(key, [name for name in known if name != "base"], where)
        for item in known.values():
            required = item.default is MISSING and item.default_factory is MISSING
            if required and item.name not in data:
                self.fail(where, f"the key {item.name!r} is missing")
        dotted = {key: f"{where}.{key}" if where else key for key in data}
        return kind(**{key: self.value(hints[key], data[key], dotted[key]) for key in data})

    def unknown(self, key: str, known: Sequence[str], where: str) -> typing.NoReturn:
        near = difflib.get_close_matches(key, known, 1, 0.0)
        self.fail(
            f"{where}.{key}" if where else key,
            f"unknown key; the nearest valid key is {near[0]!r} (valid: {', '.join(known)})",
        )

    def value(self, hint: Any, value: Any, where: str) -> Any:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is types.UnionType:
            listed = isinstance(value, list) and len(arguments) > 1 and arguments[1] is not type(None)
            return self.value(arguments[listed], value, where)
        if hasattr(hint, "__dataclass_fields__"):
            return self.table(hint, value, where)
        if origin is Sequence:
            if not isinstance(value, list):
                self.fail(where, f"expected a list, found {value!r}")
            return tuple(self.value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if origin is Mapping:
            return self.map(value, where)
        if hint is str and isinstance(value, datetime.date):
            return value.isoformat()
        if hint is float and type(value) is int and abs(value) < 1 << 1000:
            return float(value)
        if hint is not Path and type(value) is not hint:
            names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
            self.fail(where, f"expected {names[hint]}, found {value!r}")
        return value

    def map(self, value: Any, where: str) -> dict[str, tuple[str, ...]]:
        if not isinstance(value, dict):
            self.fail(where, f"expected a table of field names, found {value!r}")
        for key in value:
            if key not in MAP_FIELDS:
                self.unknown(key, MAP_FIELDS, where)
        named = {key: [item] if isinstance(item, str) else item for key, item in value.items()}
        for key, item in named.items():
            good = isinstance(item, list) and item and all(isinstance(name, str) and name for name in item)
            if not good:
                self.fail(f"{where}.{key}", "expected a field name, or a list of alternative field names")
        return {key: tuple(item) for key, item in named.items()}

    def check(self, spec: Spec) -> None:
        if not spec.source:
            self.fail("", "no [[source]]: name at least one")
        self.unique([source.id for source in spec.source], "source")
        self.unique([item.id for item in spec.decontaminate.set], "decontaminate.set")
        for i, source in enumerate(spec.source):
            self.one_of(source.type, SOURCE_TYPES, f"source[{i}].type")
            if not source.path:
                self.fail(f"source[{i}].path", "expected a file, a folder or a glob, or a list of them")
            self.one_of(source.regime, (*REGIMES, "auto"), f"source[{i}].regime")
            self.one_of(source.format, ("auto", *FORMATS), f"source[{i}].format")
            self.valid(lambda: check_rule(source.document), f"source[{i}].document")  # noqa: B023
            self.valid(lambda: parse_contract(source.require), f"source[{i}].require")  # noqa: B023
            if source.pii is not None:
                self.one_of(source.pii, ("known", "suspected"), f"source[{i}].pii")
        self.one_of(spec.lake.layer, ("bronze", "gold"), "lake.layer")
        self.date(spec.lake.logical_date)
        self.one_of(spec.ingest.compression, tuple(LEVELS), "ingest.compression")
        low, high = LEVELS[spec.ingest.compression]
        if spec.ingest.level is not None and not low <= spec.ingest.level <= high:
            self.fail("ingest.level", f"expected {low} to {high}, found {spec.ingest.level}")
        for where, low, high in _RANGES:
            table, _, key = where.partition(".")
            found = getattr(getattr(spec, table), key)
            if not low <= found <= high:
                self.fail(where, f"expected {low} to {high}, found {found}")
        if spec.decontaminate.set and spec.decontaminate.short_min > spec.decontaminate.ngram:
            where, low = "decontaminate.short_min", spec.decontaminate.ngram
            self.fail(where, f"expected at most ngram = {low}, found {spec.decontaminate.short_min}")
        self.decontamination(spec.decontaminate)
        self.dedup(spec.dedup)
        self.packing(spec.packing, spec.base)
        for i, name in enumerate(spec.dedup.keep):
            self.one_of(name, KEEP, f"dedup.keep[{i}]")

    def dedup(self, table: Dedup) -> None:
        if not re.fullmatch(r"(word|byte):[1-9]\d{0,3}", table.shingle):
            self.fail("dedup.shingle", f"expected word:N or byte:N, found {table.shingle!r}")
        for where, low, high in _RANGES:
            found = getattr(table, where[6:]) if where.startswith("dedup.") else low
            if not low <= found <= high:
                self.fail(where, f"expected {low} to {high}, found {found}")
        if table.common is not None and not 0 <= table.common <= 1:
            self.fail("dedup.common", f"expected 0 to 1, found {table.common}")
        self.one_of(table.scheme, SCHEMES, "dedup.scheme")
        if len(set(table.keep)) < len(table.keep) or "id" in table.keep[:-1] or "" in table.keep:
            self.fail(
                "dedup.keep", f"expected each name once, and id last or not at all; found {list(table.keep)}"
            )
        if (table.threshold, table.recall, table.slots) != (Dedup.threshold, Dedup.recall, Dedup.slots):
            from toolkit.dedup import plan_bands  # it waits for the kernels to load

            self.valid(lambda: plan_bands(table.threshold, table.recall, table.slots), "dedup")

    def packing(self, table: Packing, base: Path) -> None:
        for where, low, high in _RANGES:
            found = getattr(table, where[8:]) if where.startswith("packing.") else low
            if not low <= found <= high:
                self.fail(where, f"expected {low} to {high}, found {found}")
        self.one_of(table.method, METHODS, "packing.method")
        self.one_of(table.over, OVER, "packing.over")
        if table.template not in TEMPLATES and not (base / table.template).is_file():
            known = ", ".join(TEMPLATES)
            self.fail("packing.template", f"expected {known}, or a file; found {table.template!r}")

    def decontamination(self, table: Decontaminate) -> None:
        self.one_of(table.policy, POLICIES, "decontaminate.policy")
        low, high = table.short_min, max(table.short_min, table.ngram)
        if table.short_ngram is not None and not low <= table.short_ngram <= high:
            problem = f"expected short_min to ngram = {low} to {high}, found {table.short_ngram}"
            self.fail("decontaminate.short_ngram", problem)
        for i, item in enumerate(table.set):
            if item.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", item.sha256):
                where = f"decontaminate.set[{i}].sha256"
                self.fail(where, f"expected 64 digits and letters a to f, found {item.sha256!r}")

    def unique(self, ids: Sequence[str], where: str) -> None:
        for i, name in enumerate(ids):
            if not _ID.fullmatch(name):
                allowed = "letters, digits, '.', '_' and '-' can, a letter or digit first"
                self.fail(f"{where}[{i}].id", f"{name!r} cannot name a folder; {allowed}")
            if name in ids[:i]:
                self.fail(f"{where}[{i}].id", f"{name!r} is used twice")

    def one_of(self, value: str, valid: Sequence[str], where: str) -> None:
        if value not in valid:
            near = difflib.get_close_matches(value, valid, 1, 0.0)[0]
            self.fail(where, f"{value!r} is not one of {', '.join(valid)}; the nearest is {near!r}")

    def valid(self, check: Callable[[], object], where: str) -> None:
        try:
            check()
        except RequestError as error:
            self.fail(where, str(error))

    def date(self, value: str | None) -> None:
        if value is None:
            return
        try:
            good = datetime.date.fromisoformat(value).isoformat() == value
        except ValueError:
            good = False
        if not good:
            self.fail("lake.logical_date", f"expected YYYY-MM-DD, found {value!r}")


_RANGES: list[tuple[str, float, float]] = [
    ("ingest.shard_bytes", 1 << 10, 1 << 30),
    ("ingest.max_line_bytes", 1 << 10, 1 << 30),
    ("ingest.max_reject_share", 0.0, 1.0),
    ("quality.min_chars", 0, 1 << 30),
    ("quality.min_words", 0, 1 << 30),
    ("quality.min_alpha_share", 0.0, 1.0),
    ("decontaminate.ngram", 2, 100),
    ("decontaminate.short_min", 1, 100),
    ("dedup.threshold", 0.3, 1.0),
    ("dedup.recall", 0.5, 0.9999),
    ("dedup.seed", 0, 2**63 - 1),
    ("dedup.slots", 16, 1024),
    ("dedup.max_loss", 0.0, 1.0),
    ("packing.context", 16, 1 << 24),
    ("packing.vocab_size", 300, 1 << 20),
]
