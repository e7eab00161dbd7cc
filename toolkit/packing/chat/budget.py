"""What one rendering of a template may cost, so that each comes to an end.

    steps   200,000 and 64 a message: a loop's turn, a call, a filter, 64 characters of work
    room    1,048,576 characters, and 64 for each one of the input: no text may be longer

A turn of a loop costs more the longer the input is (``toll``), because it may look at all of it.
Lists and mappings are weighed as trees: what is shared counts each time it would be written.
"""

from __future__ import annotations

from typing import Any

STEPS, STEPS_A_MESSAGE = 200_000, 64
ROOM, ROOM_A_CHARACTER = 1 << 20, 64
DEEPEST = 64  # lists in lists


class TemplateFault(Exception):
    """What a template made of one record cannot be used: ``code`` is stable, ``detail`` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class Budget:
    """Steps and room of one rendering; ``turn``: which message's turn it is (see ``Sandbox.at``)."""

    toll: int
    steps: int
    room: int
    turns: dict[int, int]
    turn: int | None

    def begin(self, characters: int, messages: int, turns: dict[int, int]) -> None:
        """Start a rendering of so much input; ``turns``: the index of each message by its id, if traced."""
        self.toll = 1 + characters // 4096  # a turn of a loop may look at all of the input
        self.steps = STEPS + STEPS_A_MESSAGE * messages * self.toll
        self.room = ROOM + ROOM_A_CHARACTER * characters
        self.turns, self.turn = turns, None

    def spend(self, steps: int) -> None:
        """Pay for work. Raises TemplateFault ``template.limit`` when nothing is left."""
        self.steps -= steps
        if self.steps < 0:
            raise TemplateFault("template.limit", "the template does not come to an end: too many steps")

    def reserve(self, characters: int) -> None:
        """Pay for a text of this length, and refuse one that is too long to exist."""
        if characters > self.room:
            detail = f"a text of {characters:,} characters, and no more than {self.room:,} may be"
            raise TemplateFault("template.limit", detail)
        self.spend(1 + characters // 4096)

    def weigh(self, value: Any, depth: int = 0) -> int:
        """Count what a value holds, as a tree: lists and mappings may share what they hold."""
        self.spend(1)
        if depth > DEEPEST:
            raise TemplateFault("template.limit", f"lists in lists, more than {DEEPEST} deep")
        if isinstance(value, str):
            return len(value)
        if isinstance(value, dict):
            value = (*value.keys(), *value.values())
        if not isinstance(value, (list, tuple)):
            return 32
        total = 2
        for item in value:
            total += 2 + self.weigh(item, depth + 1)
            self.reserve(total)
        return total
