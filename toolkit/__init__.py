"""The data half of post-training: messy raw dumps in, packed batches out, nothing lost on the way.

Every verb of the command line is a function here, with the same name and the same defaults:

    import toolkit

    toolkit.synth("dumps", records=5_000)
    lake = toolkit.run("dumps/spec.toml")
    toolkit.audit(lake.lake).ok
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.archetypes import synth
    from toolkit.pipeline.audit import audit
    from toolkit.pipeline.audit_masks import audit_masks
    from toolkit.pipeline.decontaminate import decontaminate
    from toolkit.pipeline.dedup import dedup
    from toolkit.pipeline.doctor import doctor
    from toolkit.pipeline.forget import forget
    from toolkit.pipeline.ingest import ingest
    from toolkit.pipeline.pack import pack
    from toolkit.pipeline.quarantine import quarantine
    from toolkit.pipeline.report import report
    from toolkit.pipeline.run import run
    from toolkit.pipeline.trace import trace

__version__ = "0.1.0"
__all__ = [
    "audit",
    "audit_masks",
    "decontaminate",
    "dedup",
    "doctor",
    "forget",
    "ingest",
    "pack",
    "quarantine",
    "report",
    "run",
    "synth",
    "trace",
]

# Found at first use, so that importing the toolkit, or asking it for help, takes no time.
_HOMES = {name: f"toolkit.pipeline.{name}" for name in __all__} | {"synth": "toolkit.archetypes"}


class _Room(ModuleType):
    """A room whose name is a verb too, and whose names are found at first use.

    ``toolkit.ingest(...)`` calls the function of that name; ``_HOMES`` of the room says which of
    its modules holds which names.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(f"toolkit.pipeline.{name}"), name)(*arguments, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in self._HOMES.get(name, ()):
            value = getattr(value, name)  # a function that has the name of its module, not the module
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        home = next((home for home, names in self._HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{self.__name__}.{home}"), name)


for _name in ("dedup", "ingest"):
    importlib.import_module(f"toolkit.{_name}").__class__ = _Room


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
