"""What notebooks show: figures, coloured tokens, differences, tables, and one way to turn a knob.

Each picture is a pure function of data that a run has written; a widget only calls it again.
"""

from toolkit.viz.compare import Outcome, before_dedup, lost_by_threshold, outcome
from toolkit.viz.explore import explore
from toolkit.viz.funnel import funnel
from toolkit.viz.masked import MaskedText, masked
from toolkit.viz.table import Table
from toolkit.viz.words import WordDiff, word_diff

__all__ = [
    "MaskedText",
    "Outcome",
    "Table",
    "WordDiff",
    "before_dedup",
    "explore",
    "funnel",
    "lost_by_threshold",
    "masked",
    "outcome",
    "word_diff",
]
