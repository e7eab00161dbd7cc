from __future__ import annotations

from toolkit import viz


def test_numbers_stand_right_with_separators():
    table = viz.Table(("stage", "in"), [("ingest", 12_345), ("gold", 7)])
    assert repr(table).splitlines() == ["stage       in", "ingest  12,345", "gold         7"]


def test_text_is_escaped():
    page = viz.Table(("<a>",), [("<b>",)])._repr_html_()
    assert "&lt;a&gt;" in page and "&lt;b&gt;" in page and "<b>" not in page


def test_a_table_without_rows_keeps_its_head():
    assert repr(viz.Table(("stage", "in"), [])).split() == ["stage", "in"]
