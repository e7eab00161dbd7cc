"""What a record must hold to enter: fields by name and type, checked at the door.

    require = ["prompt:text", "meta.turns:integer", "messages:list"]

A dotted name goes down into objects. A field that is missing, null, or of another type rejects
the record under ``schema.missing_field`` or ``schema.wrong_type``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import RequestError

TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
    "any": (object,),
}


@dataclass(frozen=True)
class Field:
    """A field that is required: its path, and the name of its type in TYPES."""

    path: tuple[str, ...]
    kind: str

    def fault(self, value: Any) -> tuple[str, str] | None:
        """(reason, detail) if the object ``value`` lacks the field, else None."""
        name = ".".join(self.path)
        for step in self.path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is None:
            return "schema.missing_field", f"no {name!r}"
        exact = bool not in TYPES[self.kind] and isinstance(value, bool) and self.kind != "any"
        if exact or not isinstance(value, TYPES[self.kind]):
            return "schema.wrong_type", f"{name!r} is {kind_of(value)}; expected {self.kind}"
        return None


def parse_contract(lines: Sequence[str]) -> tuple[Field, ...]:
    """Read ``name`` or ``name:type`` lines; RequestError names the valid types."""
    fields = []
    for line in lines:
        name, _, kind = line.partition(":") if isinstance(line, str) else ("", "", "")
        if not name or (kind and kind not in TYPES):
            raise RequestError(f"{line!r}: expected FIELD or FIELD:TYPE with a type of {', '.join(TYPES)}")
        fields.append(Field(tuple(name.split(".")), kind or "any"))
    return tuple(fields)


def kind_of(value: Any) -> str:
    """What people call the type of a JSON value."""
    names = (
        (bool, "true or false"),
        (str, "text"),
        (int, "an integer"),
        (float, "a number"),
        (list, "a list"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "an object")
