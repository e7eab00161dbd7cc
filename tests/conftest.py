"""What holds for all tests: a busy machine is no failure, and a missing card is said aloud."""

import shutil
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("toolkit", deadline=None)
settings.load_profile("toolkit")
sys.path.append(str(Path(__file__).resolve().parent.parent))  # benchmarks, however pytest was started
HOST = "launches through the host header"


@cache
def no_card():
    """Why no card can run tests; empty if one can."""
    from toolkit.kernels import pick

    found = pick("auto")
    return "" if found.name == "cuda" else found.reason


def pytest_configure(config):
    config.addinivalue_line("markers", "card: needs a real card")


def pytest_runtest_setup(item):
    if item.get_closest_marker("card") and no_card():
        pytest.skip(no_card())


@pytest.fixture(params=["host", pytest.param("cuda", marks=pytest.mark.card)])
def gpu(request):
    """The devices that run the CUDA kernels: through the host header, and on a card where one is."""
    if request.param == "host" and shutil.which("g++") is None:
        pytest.skip("no g++ to run kernels on the host")
    return request.param


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    before = launches()
    try:
        return (yield)
    finally:
        if launches() > before:
            item.user_properties.append((HOST, launches() - before))


def launches():
    """Kernels that this process has run through the host header."""
    module = sys.modules.get("toolkit.kernels.cuda.host")
    return module.Host.launches if module else 0


def pytest_terminal_summary(terminalreporter):
    # A module that skips itself whole leaves a report of its collection, which knows no keywords.
    of = {k: [r for r in v if isinstance(r, pytest.TestReport)] for k, v in terminalreporter.stats.items()}
    ran = [r for kind in ("passed", "failed") for r in of.get(kind, ()) if r.when == "call"]
    on_host = [n for r in ran for name, n in r.user_properties if name == HOST]
    cards = [r for r in ran if "card" in r.keywords]
    waiting = [r for r in of.get("skipped", ()) if "card" in r.keywords]
    if on_host or cards or waiting:
        terminalreporter.write_line(
            f"kernels in CUDA C++: {len(on_host):,} checks ran them through the host header "
            f"({sum(on_host):,} launches), {len(cards):,} on a card; {len(waiting):,} waited for a card"
        )
