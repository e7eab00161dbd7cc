"""Our dedup for users of NeMo Curator: as a stage, as a workflow, and what theirs removed as our evidence.

    from toolkit.curator import NearDuplicates
    pipeline.add_stage(NearDuplicates(threshold=0.8))

How the two differ is in this folder's README.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "NearDuplicates": "stage",
    "NearDuplicatesWorkflow": "workflow",
    "to_evidence": "evidence",
    "write_removal_ids": "evidence",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Find a name at first use: what reads evidence needs no Curator."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
