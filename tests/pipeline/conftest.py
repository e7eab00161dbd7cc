"""Small worlds too are shared out to other processes, or their tests would show nothing."""

import pytest

from toolkit.pipeline import processes


@pytest.fixture(autouse=True)
def processes_at_once(monkeypatch):
    monkeypatch.setattr(processes, "START", 0.0)
    monkeypatch.setattr(processes, "FORK", 0.0)
