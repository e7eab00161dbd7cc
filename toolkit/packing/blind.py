"""Run a template blind: without the contents, as if with all contents of one shape at the same time.

The sandbox with ``Unseen`` text in place of contents. A run that comes to its end has taken each
step for reasons that do not depend on the contents: by induction over its steps, the run with any
contents of the same shape takes the same ones, and where this one holds pieces and holes, that one
holds the pieces with its contents in the holes. So what is written here, filled, *is* the
rendering, and need not be made. Three things could break the induction, and each is closed:

    an operation looks at a text     ``Unseen`` is no ``str``, and raises Looked for all it does not list
    code asks for the type           filters and tests get unseen text only by the lists below
    a budget ends one run alone      costs are bounded for all contents (``blind_budget``)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from toolkit.packing.blind_budget import BlindBudget
from toolkit.packing.sandbox import Sandbox
from toolkit.packing.traced import METHODS
from toolkit.packing.unseen import (
    STRIPS,
    Looked,
    Unseen,
    UnseenMethod,
    Written,
    joined,
    size_of,
    stripped,
    written,
)

# filters that hand on what a list holds, or ask whether it is true, and nothing else; ``join`` is ours
_CARRY = frozenset(
    [
        "count",
        "first",
        "items",
        "join",
        "last",
        "length",
        "list",
        "map",
        "reject",
        "rejectattr",
        "reverse",
        "select",
        "selectattr",
    ]
)
_DEFAULT = frozenset(["d", "default"])  # ask whether it is defined, or true
# tests whose answer is the same for every text that is not empty
_OF_ALL_TEXT = frozenset(
    [
        "boolean",
        "callable",
        "defined",
        "false",
        "float",
        "integer",
        "iterable",
        "mapping",
        "none",
        "number",
        "sequence",
        "string",
        "true",
        "undefined",
    ]
)
_ALONE = (None, True, False)
_VISITS = 200_000


class BlindSandbox(BlindBudget, Sandbox):
    """A sandbox for ``Unseen`` text. Whoever runs it catches ``Looked``."""

    def __init__(self, tracing: bool, functions: dict[str, Callable]) -> None:
        super().__init__(tracing, functions)
        self.filters = {name: self._filter(name, function) for name, function in self.filters.items()}
        self.tests = {name: _test(name, function) for name, function in self.tests.items()}

    def concat(self, parts: Any) -> Any:
        """Join the pieces of a rendering, or of a captured block or macro."""
        parts = list(parts)
        if not any(isinstance(part, (Unseen, Written)) for part in parts):
            return super().concat(parts)
        self.reserve(size_of(parts))
        return joined(parts)

    def _written(self, value: Any) -> Any:
        return written(value) if isinstance(value, Unseen) else super()._written(value)

    def text(self, value: Any) -> Any:
        """Return what ``{{ value }}`` writes."""
        return value if isinstance(value, Unseen) else super().text(value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Apply ``+ * ** %``: of these, unseen text knows ``+`` with another text."""
        if not isinstance(left, Unseen) and not isinstance(right, Unseen):
            return super().call_binop(context, operator, left, right)
        if operator != "+":
            raise Looked(operator)
        self.reserve(size_of(t for t in (left, right) if isinstance(t, (str, Unseen))))
        return joined([left, right])

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Get ``obj.attribute``: of unseen text, the methods that strip."""
        if isinstance(obj, UnseenMethod):
            raise Looked("an attribute of a method")
        if isinstance(obj, Unseen) and attribute not in STRIPS:
            raise Looked(attribute)
        if isinstance(obj, Unseen) or (isinstance(obj, str) and attribute in METHODS):
            return UnseenMethod(obj, attribute)  # of plain text too: two methods could be compared
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Get ``obj[argument]``, neither of them unseen; or as ``getattr``."""
        if isinstance(argument, (Unseen, UnseenMethod)):
            raise Looked("[]")
        if isinstance(obj, (Unseen, UnseenMethod)):
            if type(argument) is not str:
                raise Looked("[]")
            return self.getattr(obj, argument)
        return super().getitem(obj, argument)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what may be called: of what unseen text has, its methods, without arguments."""
        if isinstance(__obj, Unseen):
            raise Looked("()")
        if not isinstance(__obj, UnseenMethod):
            return super().call(__context, __obj, *args, **kwargs)
        if isinstance(__obj.text, str):
            return super().call(__context, getattr(__obj.text, __obj.name), *args, **kwargs)
        if args or set(kwargs) - {"_loop_vars", "_block_vars"}:
            raise Looked(__obj.name)
        __self.spend(1)
        __self._charge(__obj.text)
        return stripped(__obj.text, __obj.name)

    def _filter(self, name: str, function: Callable) -> Callable:
        own = 1 if hasattr(function, "jinja_pass_arg") else 0  # Jinja's own first argument

        @wraps(function)
        def filter_(*args: Any, **kwargs: Any) -> Any:
            given = [*args[own:], *kwargs.values()]
            for value in given:
                if isinstance(value, Unseen):
                    self._charge(value)
            direct = any(isinstance(value, (Unseen, UnseenMethod)) for value in given)
            if direct and name in ("trim", "string") and len(given) == 1 and isinstance(given[0], Unseen):
                self.spend(1)
                return stripped(given[0], "strip") if name == "trim" else given[0]
            carried = name in _DEFAULT or (name in _CARRY and not direct)
            if not carried and any(map(self._holds_unseen, given)):
                raise Looked(name)
            return function(*args, **kwargs)

        return filter_

    def _holds_unseen(self, value: Any, depth: int = 0) -> bool:
        """Whether a value is unseen text, or a list or mapping with some in it."""
        self.visits += 1
        if self.visits > _VISITS or depth > 64:
            raise Looked("a value too large to look through")
        if isinstance(value, dict):
            value = (*value.keys(), *value.values())
        if isinstance(value, (list, tuple)):
            return any(self._holds_unseen(item, depth + 1) for item in value)
        return isinstance(value, (Unseen, UnseenMethod, Written))


def _test(name: str, function: Callable) -> Callable:
    @wraps(function)
    def test(*args: Any, **kwargs: Any) -> bool:
        given = [*args, *kwargs.values()]
        if name == "sameas" and not any(given[-1] is one for one in _ALONE):
            raise Looked("is sameas")  # one text or two equal ones: that depends on how they were made
        if not any(isinstance(value, (Unseen, UnseenMethod)) for value in given):
            return function(*args, **kwargs)
        if name not in _OF_ALL_TEXT or len(given) > 1 or isinstance(given[0], UnseenMethod):
            raise Looked(f"is {name}")
        return function("any text")

    return test
