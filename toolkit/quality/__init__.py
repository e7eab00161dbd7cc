"""Is a record worth keeping? Measures of its text, and hard gates on them."""

from toolkit.quality.gates import GATES, gate
from toolkit.quality.measure import measure

__all__ = ["GATES", "gate", "measure"]
