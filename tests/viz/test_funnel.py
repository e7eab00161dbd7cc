from __future__ import annotations

import io

from matplotlib import pyplot

from toolkit import viz


def group(records: int) -> dict:
    return {"records": records, "size": 0, "ids": "00"}


def ledger(stage: str, came: int, out: int, quarantined: dict, removed: dict) -> dict:
    groups = ({reason: group(n) for reason, n in kind.items()} for kind in (quarantined, removed))
    quarantine, removal = groups
    return {
        "stage": stage,
        "in": group(came),
        "out": group(out),
        "quarantined": quarantine,
        "removed": removal,
    }


MANIFEST = {
    "ledgers": [
        ledger("ingest", 10, 8, {"json.truncated": 2}, {}),
        ledger("dedup", 8, 5, {}, {"near": 1, "exact": 2}),
    ]
}


def words(axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_each_stage_and_each_reason_has_a_bar():
    passed, reasons = viz.funnel(MANIFEST).axes
    assert words(passed) == ["read", "after ingest", "after dedup"]
    assert words(reasons) == ["ingest  json.truncated", "dedup  exact", "dedup  near"]


def test_bars_are_as_long_as_the_books_say():
    passed, reasons = viz.funnel(MANIFEST).axes
    assert [bar.get_width() for bar in passed.patches] == [10, 8, 5]
    assert sorted(bar.get_width() for bar in reasons.patches) == [1, 2, 2]


def test_axes_say_what_they_count():
    assert [axes.get_xlabel() for axes in viz.funnel(MANIFEST).axes] == ["records", "records"]


def test_a_lake_that_lost_nothing_is_drawn_too():
    picture = io.BytesIO()
    viz.funnel({"ledgers": [ledger("ingest", 0, 0, {}, {})]}).savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


def test_no_figure_stays_open():
    viz.funnel(MANIFEST)
    assert pyplot.get_fignums() == []
