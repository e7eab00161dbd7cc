"""A widget as a thin view over a pure function: a control an argument, drawn again at each change.

A widget lives in a kernel; on a page there is none. Where ipywidgets is missing, or ``TOOLKIT_STATIC``
is set (as it is while a notebook is executed to be committed), the function is shown once, at its
starting values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any


def explore(view: Callable[..., Any], **controls: tuple[Any, Sequence[Any]]) -> None:
    """Show ``view(**values)`` with one control for each argument, given as name=(start, options)."""
    from IPython.display import Markdown, display

    start = {name: value for name, (value, _) in controls.items()}
    if os.environ.get("TOOLKIT_STATIC"):
        display(view(**start))
        return
    try:
        import ipywidgets
    except ImportError:
        display(view(**start), Markdown("The controls need ipywidgets: `pip install ipywidgets`"))
        return
    made = {
        name: ipywidgets.SelectionSlider(
            options=list(options), value=value, description=name, continuous_update=False
        )
        if len(options) > 3
        else ipywidgets.ToggleButtons(options=list(options), value=value, description=name)
        for name, (value, options) in controls.items()
    }
    display(ipywidgets.interactive(view, **made))
