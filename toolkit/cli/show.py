"""How results are printed: their own ``repr`` for people, plain data for machines."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def show(result: Any, as_json: bool) -> None:
    """Print a result; with ``as_json`` as one JSON document."""
    if as_json:
        json.dump(data_of(result), sys.stdout, ensure_ascii=False, indent=1)
        print()
        return
    print(harmless(repr(result)))
    for line in getattr(result, "lines", ()) if hasattr(result, "counts") else ():
        place = f"{line['origin']['path']}:{line['origin']['line']}"
        print(f"\n{line['reason']}  {readable(place.encode())}")
        print(f"  {readable(line['detail'].encode())}\n  {readable(line['raw'])}")
    if getattr(result, "report", None) is not None and result.report.exists():
        print(f"report {result.report}")


def harmless(text: str) -> str:
    """``text`` without characters that a terminal would obey; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def data_of(value: Any) -> Any:
    """``value`` as what JSON can hold: bytes and paths become text, tables are left in their files."""
    if dataclasses.is_dataclass(value):
        named = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return {name: data_of(item) for name, item in named.items() if not hasattr(item, "num_rows")}
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else " ".join(key): data_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [data_of(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value) if isinstance(value, Path) else value


def readable(raw: bytes, limit: int = 160) -> str:
    """The start of some bytes on one line, unprintable ones escaped, safe for a terminal."""
    text = raw[:limit].decode("utf-8", "backslashreplace")
    safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return safe + (f" … ({len(raw)} bytes)" if len(raw) > limit else "")
