from __future__ import annotations

import sys

import pytest

from toolkit import viz

explored = sys.modules["toolkit.viz.explore"]


@pytest.fixture
def shown(monkeypatch):
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda *things: seen.extend(things))
    return seen


def double(size):
    return 2 * size


def test_a_page_shows_the_starting_point(shown, monkeypatch):
    monkeypatch.setenv("TOOLKIT_STATIC", "1")
    viz.explore(double, size=(3, [1, 2, 3, 4]))
    assert shown == [6]


def test_without_ipywidgets_the_starting_point_and_the_install_line_are_shown(shown, monkeypatch):
    monkeypatch.delenv("TOOLKIT_STATIC", raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    viz.explore(double, size=(3, [1, 2, 3, 4]))
    assert shown[0] == 6 and "pip install ipywidgets" in shown[1].data


def test_a_kernel_gets_one_control_an_argument(shown, monkeypatch):
    monkeypatch.delenv("TOOLKIT_STATIC", raising=False)
    ipywidgets = pytest.importorskip("ipywidgets", reason="pip install ipywidgets")
    viz.explore(lambda size, way: None, size=(3, [1, 2, 3, 4]), way=("a", ["a", "b"]))
    slider, buttons, _ = shown[0].children
    assert isinstance(slider, ipywidgets.SelectionSlider) and slider.value == 3
    assert isinstance(buttons, ipywidgets.ToggleButtons) and buttons.value == "a"


def test_turning_a_control_calls_the_function_again(shown, monkeypatch):
    monkeypatch.delenv("TOOLKIT_STATIC", raising=False)
    pytest.importorskip("ipywidgets", reason="pip install ipywidgets")
    monkeypatch.setattr("ipywidgets.widgets.interaction.display", lambda *things: None)
    monkeypatch.setattr("ipywidgets.widgets.interaction.clear_output", lambda **options: None)
    viz.explore(double, size=(3, [1, 2, 3, 4]))
    shown[0].children[0].value = 4
    assert shown[0].result == 8
