"""Plain files and tables for a verb that does one stage on data of no lake: cut, read, looked at.

inputs -> parts -> rows -> the text each is compared by, or all the texts in it
"""

from __future__ import annotations

from toolkit.pipeline.stages.plain.compared import Compared, compared_texts
from toolkit.pipeline.stages.plain.parts import Input, Inputs, TextPart, as_inputs, check_apart, text_parts
from toolkit.pipeline.stages.plain.rows import Rows, read_rows
from toolkit.pipeline.stages.plain.searched import record_texts, searched_texts
from toolkit.pipeline.stages.plain.survivors import read_survivors, write_survivors

__all__ = [
    "Compared",
    "Input",
    "Inputs",
    "Rows",
    "TextPart",
    "as_inputs",
    "check_apart",
    "compared_texts",
    "read_rows",
    "read_survivors",
    "record_texts",
    "searched_texts",
    "text_parts",
    "write_survivors",
]
