"""Small worlds too are shared out to other processes, or their tests would show nothing."""

import pytest

from toolkit.pipeline import workers


@pytest.fixture(autouse=True)
def processes_at_once(monkeypatch):
    monkeypatch.setattr(workers, "START", 0.0)
