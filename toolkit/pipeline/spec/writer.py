"""Writing a spec as TOML that reads back to an equal spec."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolkit.pipeline.spec.tables import Spec, as_data


def to_toml(spec: Spec) -> str:
    """The spec as TOML that ``parse_spec`` reads back to an equal spec."""
    data = as_data(spec)
    data["lake"]["base"] = str(spec.base)
    sets = data["decontaminate"].pop("set")
    sources = data.pop("source")
    blocks = [_block(f"[{name}]", table) for name, table in data.items() if name != "decontaminate"]
    blocks[1:1] = [_block("[[source]]", source) for source in sources]
    blocks.append(_block("[decontaminate]", data["decontaminate"]))
    blocks += [_block("[[decontaminate.set]]", item) for item in sets]
    return "\n".join(blocks)


def _block(header: str, table: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_literal(value)}" for key, value in table.items() if value not in (None, {}, [])]
    return "\n".join([header, *lines, ""])


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_quoted(key)} = {_literal(item)}' for key, item in value.items())} }}"
    return repr(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found.group()):04x}", escaped) + '"'
