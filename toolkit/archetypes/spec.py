"""The spec that runs on a dump as it lies: ``spec.toml`` beside the folders."""

from __future__ import annotations

import json

from toolkit.archetypes.evaluation import FIELDS, NGRAM
from toolkit.archetypes.feed import Source
from toolkit.archetypes.synthetic import DENIED

_HEAD = """\
# Every source of this dump, how to read it, and what may be done with it.

[lake]
path = "lake"
logical_date = "2026-11-22"
"""


def _value(value: str | bool | int | float | list[str] | dict[str, str]) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {json.dumps(text)}" for key, text in value.items()) + " }"
    return json.dumps(value)  # TOML writes strings, numbers, booleans and lists of them as JSON does


def _table(header: str, **values: str | bool | int | float | list[str] | dict[str, str]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if value not in ("", {})]
    return "\n".join([header, *lines]) + "\n"


def spec_toml(sources: list[Source]) -> str:
    """Return the text of the spec for these sources."""
    tables = [_HEAD]
    for source in sources:
        tables.append(
            _table(
                "[[source]]",
                id=source.id,
                type=source.type,
                path=source.path,
                license=source.license,
                consent=source.consent,
                regime=source.regime,
                rank=source.rank,
                map=source.map,
                pii=source.pii,
            )
        )
    tables.append(_table("[dedup]", threshold=0.8, shingle="word:5"))
    tables.append(_table("[decontaminate]", ngram=NGRAM))
    for set_id, fields in FIELDS.items():
        path = f"eval/{set_id}.jsonl"
        tables.append(_table("[[decontaminate.set]]", id=set_id, path=path, fields=list(fields)))
    tables.append("# The licence trap: these models' terms forbid training on what they write.")
    tables.append(_table("[quality]", min_chars=20, deny_generators=list(DENIED)))
    tables.append(_table("[packing]", context=2048))
    return "\n".join(tables)
