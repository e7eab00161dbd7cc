"""What a rendering costs at most, whatever the contents are: counted while a template runs blind.

With C characters of content, T = 1 + C // 4096 and n messages, a rendering has 200,000 + 64 n T steps
and room for 2**20 + 64 C characters (``budget``). A text of ``own`` known characters with the content
c_i of message i in it times_i over is own + sum_i times_i c_i long, at most own + k C with k the
largest times_i. So all that a run can spend is at most

    fixed + turns * T + sum_i weight_i c_i / 4096   <=   fixed + (turns + max_i weight_i) * T

which the steps cover up to some C (``longest``); and a text has room, whatever C is, if own has and
k is at most 64. What exceeds either is not rendered blind.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from toolkit.packing.budget import ROOM, ROOM_A_CHARACTER, STEPS, STEPS_A_MESSAGE, Budget
from toolkit.packing.unseen import Looked, Size, Unseen, size_of

_CHARACTERS = 4096  # one step's worth of characters, and what makes a turn of a loop dearer by one
_TOLL = object()


class BlindBudget(Budget):
    """A budget that is not spent but added up. Raises Looked where contents could exceed it."""

    def begin(self, characters: int, messages: int, turns: dict[int, int]) -> None:
        """Start a run."""
        super().begin(characters, messages, turns)
        self.toll = _TOLL
        self.fixed = self.turned = self.visits = 0
        self.weights: Counter[int] = Counter()
        self.messages = messages

    def spend(self, steps: Any) -> None:
        """Count the cost. Raises Looked where even without contents it would be too much."""
        if steps is _TOLL:
            self.turned += 1
        else:
            self.fixed += steps
        if self.fixed + self.turned > STEPS:
            raise Looked("steps")

    def reserve(self, characters: Any) -> None:
        """Pay for a text of a known or a bounded length."""
        size = characters if isinstance(characters, Size) else Size(characters, Counter())
        if size.own > ROOM or size.most > ROOM_A_CHARACTER:
            raise Looked("room")
        self._weigh(size, 1)

    def _weigh(self, size: Size, each: int) -> None:
        """Pay ``each`` for 4096 characters, and two for what is rounded."""
        self.spend(2 + each * size.own // _CHARACTERS)
        for message, times in size.times.items():
            self.weights[message] += each * times

    def longest(self) -> int:
        """Return how many characters contents may have in all so that no budget ends the run; 0 for none."""
        tolled = self.turned + max(self.weights.values(), default=0) - STEPS_A_MESSAGE * self.messages
        if self.fixed + tolled > STEPS:
            return 0
        return 1 << 62 if tolled <= 0 else ((STEPS - self.fixed) // tolled - 1) * _CHARACTERS

    def weigh(self, value: Any, depth: int = 0) -> Any:
        """Count what a value holds."""
        if isinstance(value, Unseen):
            self.spend(1)
            return size_of([value])
        return super().weigh(value, depth)

    def _charge(self, value: Any) -> None:
        if isinstance(value, Unseen):
            self._weigh(size_of([value]), 64)
        else:
            super()._charge(value)
