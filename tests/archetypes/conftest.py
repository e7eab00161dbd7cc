from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.archetypes import Synth, synth


@pytest.fixture(scope="session")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    """One dump of 6,000 records, shared and only read."""
    return synth(tmp_path_factory.mktemp("archetypes") / "dump", records=6000, seed=11)


@pytest.fixture(scope="session")
def out(dump: Synth) -> Path:
    return dump.out
