"""Run a stranger's chat template: it may read the conversation, spend a budget, and give back text.

A template comes from the same place as a model's weights, so it is code that somebody else
wrote. Jinja's sandbox stops it from reaching files and Python; it does not stop 10**9 turns of
a loop or a string doubled forty times. Here what is not on a list is refused (attributes,
functions, filters, tests, statements), and all that can repeat or grow is paid for (``budget``).
Loops are metered where they start (``rewrite_for_budget``), growth where it happens (``+ * ~``,
slices, filters, captured blocks). What a template does wrong is a ``TemplateFault`` of the record.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sized
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from toolkit.packing.chat.budget import Budget, TemplateFault
from toolkit.packing.chat.sandbox_filters import FILTERS, TESTS, guarded
from toolkit.packing.chat.sandbox_nodes import Generation
from toolkit.packing.chat.traced import METHODS, TEMPLATE, Traced, joined, spans_of, traced

_BITS = 4096  # of the longest number
_DICT = frozenset({"items", "keys", "values", "get"})
_LIST = frozenset({"count", "index"})
_LOOP = frozenset(
    [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
        "depth",
        "depth0",
    ]
)
_MISSING = object()
_PLAIN = (bool, int, float, Undefined)


class Sandbox(Budget, ImmutableSandboxedEnvironment):
    """A Jinja environment with lists of what is allowed, and a budget. Not to be shared by threads.

    ``tracing``: text methods and filters see to it that ``Traced`` strings stay so.
    ``turn``: while tracing, the index of the message whose loop body is being run, or None.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, tracing: bool, functions: dict[str, Callable]) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            autoescape=False,
            cache_size=0,
            finalize=self._written,
            extensions=[Generation, loopcontrols],
        )
        self.tracing = tracing
        self.filters = {name: guarded(self, function) for name, function in FILTERS.items()}
        self.tests = dict(TESTS)
        own = {"range": self._range, "namespace": self._namespace, "dict": self._dict}
        self.globals = {**own, **functions}
        hooks = (self.metered, self.joined, self.sliced, self.built, self.at)
        self._functions = {*self.globals.values(), *hooks}
        self.opened = self.closed = ""  # what a {% generation %} block writes at its ends
        self.begin(0, 0, {})

    # -- hooks that the rewritten template calls -------------------------------------------

    def metered(self, items: Any) -> Any:
        """Pass on what a loop runs over, each item paid for."""
        return _Metered(self, items) if isinstance(items, Sized) else self._pay(items)

    def _pay(self, items: Any) -> Iterator[Any]:
        for item in items:
            self.spend(self.toll)
            yield item

    def at(self, item: Any) -> str:
        """Note which message's turn it is: called first in the body of each outermost loop."""
        self.turn = self.turns.get(id(item))
        return ""

    def joined(self, *values: Any) -> str:
        """Join as ``~`` does."""
        return self.concat([self.text(value) for value in values])

    def sliced(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """Slice as ``value[start:stop:step]``."""
        self._charge(value)
        return value[start:stop:step]

    def built(self, value: Any) -> Any:
        """Weigh a list or mapping that the template has written out."""
        self.weigh(value)
        return value

    def concat(self, parts: Any) -> str:
        """Join the pieces of a rendering, or of a captured block or macro."""
        parts = list(parts)
        self.reserve(sum(map(len, parts)))
        return joined(parts) if self.tracing else "".join(parts)

    def _written(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is Traced or kind is int or isinstance(value, Undefined):
            return value
        return self.text(value)

    def text(self, value: Any) -> str:
        """Return what ``{{ value }}`` writes. Raises SecurityError for what has no stable text."""
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, _PLAIN):
            return str(value)
        if not isinstance(value, (dict, list, tuple)):
            raise SecurityError(f"a template cannot write a {type(value).__name__}")
        self.reserve(4 * self.weigh(value))
        _check_stable(value)
        source = max(sources_in(value), default=TEMPLATE)
        return traced(str(value), source) if self.tracing else str(value)

    # -- operators, attributes, calls ------------------------------------------------------

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Apply ``+ * ** %``, if the result can be paid for."""
        if operator == "+":
            if isinstance(left, str) and isinstance(right, str):
                characters = len(left) + len(right)
                if characters > 4096:
                    self.reserve(characters)  # shorter ones are paid for by the loop they stand in
                return left + right
            if isinstance(left, list) and isinstance(right, list):
                return self.built(left + right)
        elif operator == "*":
            self._check_product(left, right)
        elif operator == "**":
            if isinstance(left, int) and isinstance(right, int):
                self._check_bits(left.bit_length() * abs(right))
        elif isinstance(left, (str, bytes)):
            raise SecurityError("% on text is not allowed in a template; use + or ~")
        if isinstance(left, int) and isinstance(right, int):
            self._check_bits(max(left.bit_length(), right.bit_length()))
        return self.binop_table[operator](left, right)

    def _check_product(self, left: Any, right: Any) -> None:
        if isinstance(left, Sized) or isinstance(right, Sized):
            many, times = (left, right) if isinstance(left, Sized) else (right, left)
            if isinstance(times, int) and times > 0:
                self.reserve((len(many) if isinstance(many, str) else self.weigh(many)) * times)
                if not isinstance(many, str):
                    self.spend(len(many) * times)
        elif isinstance(left, int) and isinstance(right, int):
            self._check_bits(left.bit_length() + right.bit_length())

    def _check_bits(self, bits: int) -> None:
        if bits > _BITS:
            raise TemplateFault("template.limit", f"a number of {bits:,} bits")

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Get ``obj.attribute`` if it is on the lists, else ``obj['attribute']``."""
        if type(obj) is dict:
            if attribute not in _DICT:
                if hasattr(dict, attribute):
                    return self.unsafe_undefined(obj, attribute)
                value = obj.get(attribute, _MISSING)
                return self.undefined(obj=obj, name=attribute) if value is _MISSING else value
        elif isinstance(obj, str):
            if attribute not in METHODS:
                return self._no_attribute(obj, attribute)
            return getattr(self._kept(obj), attribute)
        elif isinstance(obj, LoopContext):
            if attribute not in _LOOP:
                return self.unsafe_undefined(obj, attribute)
        elif isinstance(obj, Namespace):
            if attribute.startswith("_"):
                return self.unsafe_undefined(obj, attribute)
        elif isinstance(obj, (list, tuple)):
            if attribute not in _LIST:
                return self._no_attribute(obj, attribute)
        elif not isinstance(obj, Undefined) or attribute.startswith("_"):
            return self._no_attribute(obj, attribute)
        try:
            return getattr(obj, attribute)
        except AttributeError:
            return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Get ``obj[argument]``, else the attribute of that name."""
        if type(obj) is dict or isinstance(obj, (list, tuple, str)):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        elif isinstance(obj, Undefined):
            return obj[argument]
        if isinstance(argument, str):
            return self.getattr(obj, str.__str__(argument))
        return self.undefined(obj=obj, name=argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Refuse an attribute that exists and is on no list."""
        raise SecurityError(f"a template cannot ask a {type(obj).__name__} for {attribute!r}")

    def _no_attribute(self, obj: Any, name: str) -> Undefined:
        return self.unsafe_undefined(obj, name) if hasattr(obj, name) else self.undefined(obj=obj, name=name)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what may be called: the toolkit's functions, macros, and listed methods."""
        __self.spend(1)
        kwargs.pop("_loop_vars", None)  # Jinja's own, for functions that ask for the context
        kwargs.pop("_block_vars", None)
        if isinstance(__obj, types.MethodType | types.FunctionType) and __obj in __self._functions:
            return __obj(*args, **kwargs)
        if isinstance(__obj, Macro):
            __self.spend(__self.toll)
            return __context.call(__obj, *args, **kwargs)
        owner = getattr(__obj, "__self__", None)
        name = getattr(__obj, "__name__", "")
        if isinstance(__obj, types.MethodType | types.BuiltinMethodType):
            if isinstance(owner, str) and name in METHODS:
                __self._check_growth(owner, name, args)
                return __obj(*map(__self._kept, args), **kwargs)
            known = {dict: _DICT, list: _LIST, tuple: _LIST, LoopContext: _LOOP}.get(type(owner), ())
            if name in known:
                return __obj(*args, **kwargs)
        if isinstance(__obj, Undefined):
            return __obj(*args, **kwargs)  # raises, and says what is undefined
        raise SecurityError(f"a template cannot call {name or type(__obj).__name__!r}")

    def check_replace(self, text: str, old: str, new: str) -> None:
        """Pay for ``text.replace(old, new)`` before it is made."""
        self.reserve(len(text) + str.count(text, old) * len(new))

    def _check_growth(self, owner: str, name: str, args: tuple) -> None:
        self._charge(owner)
        if name == "replace" and len(args) >= 2 and isinstance(args[0], str) and isinstance(args[1], str):
            self.check_replace(owner, args[0], args[1])
        elif name == "join" and args and isinstance(args[0], (list, tuple)):
            self.reserve(sum(len(owner) + len(part) for part in args[0] if isinstance(part, str)))

    def _charge(self, value: Any) -> None:
        self.spend(1 + len(value) // 64 if isinstance(value, Sized) else 1)

    def _kept(self, value: Any) -> Any:
        """While tracing, make the template's own text remember that it is."""
        return traced(value, TEMPLATE) if self.tracing and type(value) is str else value

    # -- functions -------------------------------------------------------------------------

    def _range(self, *args: int) -> list[int]:
        self.spend(len(range(*args)) // 16)
        return list(range(*args))

    def _namespace(self, *args: Any, **kwargs: Any) -> Namespace:
        return Namespace(self._dict(*args, **kwargs))

    def _dict(self, *args: Any, **kwargs: Any) -> dict:
        made = dict(*args, **kwargs)
        if any(str(name).startswith("_") for name in made):
            raise SecurityError("names that begin with _ are not allowed in a template")
        for value in made.values():
            if not isinstance(value, str):
                self.weigh(value)
        return made


class _Metered:
    """A loop's items, with their number, each paid for when it is its turn."""

    def __init__(self, sandbox: Sandbox, items: Any) -> None:
        self._sandbox, self._items = sandbox, items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return self._sandbox._pay(self._items)


def _check_stable(value: Any) -> None:
    """Raise SecurityError for a value with something in it whose text is an address in memory."""
    if isinstance(value, dict):
        value = (*value.keys(), *value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            _check_stable(item)
    elif value is not None and not isinstance(value, (str, *_PLAIN)):
        raise SecurityError(f"a template cannot write a {type(value).__name__}")


def sources_in(value: Any) -> Iterator[int]:
    """Yield the source of every stretch of text in a value, at any depth."""
    if isinstance(value, str):
        yield from (source for _, source in spans_of(value))
    elif isinstance(value, dict):
        yield from sources_in([*value.keys(), *value.values()])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from sources_in(item)
