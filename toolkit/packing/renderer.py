"""Render conversations with a chat template, and say of every character where it came from.

    render        what Jinja makes of it                      a string
    trace         the same, with contents as ``Traced`` text  spans of (end, source, turn)
    render_blind  the same, with ``Unseen`` contents          pieces and holes, if no content is looked at

All run the same template in the same sandbox, so they cannot differ by accident; ``trace`` is
compared with ``render`` all the same, because a template could ask what it was given.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, nodes
from jinja2 import Template as Compiled
from jinja2.exceptions import SecurityError, TemplateError, UndefinedError
from jinja2.ext import loopcontrols

from toolkit.packing.blind import BlindSandbox
from toolkit.packing.sandbox import Sandbox, TemplateFault
from toolkit.packing.sandbox_nodes import Generation, rewrite_for_budget
from toolkit.packing.traced import Traced, joined, traced
from toolkit.packing.turns import View, check_turns
from toolkit.packing.unseen import Unseen

if TYPE_CHECKING:
    from toolkit.packing.template import Template

_KEPT = 64  # compiled templates a thread keeps
_FORMAT = re.compile(r"(?:[^%]|%-?[A-Za-z%]){0,64}")
_local = threading.local()
OPENED, CLOSED = "\ufdd0", "\ufdd1"


class _Mark(Traced):
    """An end of a ``{% generation %}`` block: empty, but seen."""


@dataclass(frozen=True)
class Trace:
    """A rendering with its provenance.

    ``ends``, ``sources``, ``turns``: stretch i of the text ends at character ``ends[i]``, was written by
    source ``sources[i]`` (0 the template; message j's content j + 1, its tool calls j + 1 + messages)
    while the template's outermost loop was at message ``turns[i]`` (or None). ``marked``: the
    (start, end) that ``{% generation %}`` blocks cover.
    """

    text: str
    ends: list[int]
    sources: list[int]
    turns: list[int | None]
    marked: list[tuple[int, int]]


def parsed(source: str) -> nodes.Template:
    """Parse a template and check that it compiles in the sandbox; a fresh tree at every call.

    Raises jinja2's TemplateSyntaxError.
    """
    _checked(source)
    return Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols], autoescape=False
    ).parse(source)


@lru_cache(maxsize=_KEPT)
def _checked(source: str) -> bool:
    _compile(source, Sandbox, False, {})
    return True


def _compile(
    source: str, made: type[Sandbox], tracing: bool, functions: dict[str, Any]
) -> tuple[Any, Compiled]:
    sandbox = made(tracing, {"raise_exception": _raise, **functions})
    tree = rewrite_for_budget(sandbox.parse(source), tracing)
    return sandbox, Compiled.from_code(sandbox, sandbox.compile(tree), sandbox.globals)


def _raise(message: Any) -> None:
    raise TemplateFault("template.raised", str(message)[:500])


def _machine(
    template: Template, made: type[Sandbox] = Sandbox, tracing: bool = False
) -> tuple[Any, Compiled]:
    """Return this thread's own sandbox and compiled template."""
    kept = _local.__dict__.setdefault("machines", {})
    key = (template.source, template.date, made, tracing)
    if key not in kept:
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = _compile(template.source, made, tracing, _functions(template.date))
    return kept[key]


def _functions(day: str | None) -> dict[str, Any]:
    if day is None:
        return {}
    when = date.fromisoformat(day)

    def strftime_now(form: str) -> str:
        if not _FORMAT.fullmatch(form):
            raise SecurityError("strftime_now: a format of plain directives, 64 at most, is expected")
        return when.strftime(str.__getitem__(form, slice(None)))

    return {"strftime_now": strftime_now}


def render(template: Template, messages: Sequence[View], *, generation: bool = False) -> str:
    """Render a conversation (``turns.views``). Raises TemplateFault for what goes wrong with it."""
    (text,) = render_all(template, [messages], generation=generation)
    if isinstance(text, TemplateFault):
        raise text
    return text


def render_all(
    template: Template,
    conversations: Iterable[Sequence[View]],
    *,
    generation: bool = False,
    marks: bool = False,
) -> list[str | TemplateFault]:
    """Render conversations one after another; what a template does wrong takes the place of its text.

    ``marks``: write U+FDD0 and U+FDD1 around what ``{% generation %}`` covers.
    """
    sandbox, compiled = _machine(template)
    sandbox.opened, sandbox.closed = (OPENED, CLOSED) if marks else ("", "")
    out: list[str | TemplateFault] = []
    for messages in conversations:
        try:
            check_turns(template.source, messages)
            sandbox.begin(_characters(messages), len(messages), {})
            context = compiled.new_context(_given(template, messages, generation), shared=False)
            out.append(sandbox.concat(compiled.root_render_func(context)))
        except Exception as error:
            out.append(_fault(error))
    return out


def trace(template: Template, messages: Sequence[View], *, generation: bool = False) -> Trace:
    """Render a conversation and keep where every character came from. Raises TemplateFault."""
    sandbox, compiled = _machine(template, tracing=True)
    sandbox.opened, sandbox.closed = opened, closed = _mark(), _mark()
    marked_messages = [_traced_view(m, i, len(messages)) for i, m in enumerate(messages)]
    pieces: list[tuple[str, int | None]] = []
    marks: list[tuple[int, int]] = []
    start = at = 0
    try:
        sandbox.begin(_characters(messages), len(messages), {id(m): i for i, m in enumerate(marked_messages)})
        context = compiled.new_context(_given(template, marked_messages, generation), shared=False)
        for piece in compiled.root_render_func(context):
            if piece is opened:
                start = at
            elif piece is closed:
                marks.append((start, at))
            else:
                pieces.append((piece, sandbox.turn))
                at += len(piece)
                sandbox.reserve(at)
    except Exception as error:
        raise _fault(error) from error
    return _spans(pieces, marks)


def render_blind(
    template: Template, messages: Sequence[View], *, generation: bool = False, marks: bool = False
) -> tuple[str | Unseen, int]:
    """Render messages whose contents are ``Unseen`` (or empty), as ``render_all`` would with contents.

    Returns the rendering of them all, and how many characters contents may have for that to be so.
    Raises TemplateFault, or Looked if the template looks at a content (see ``blind``).
    """
    sandbox, compiled = _machine(template, BlindSandbox)
    sandbox.opened, sandbox.closed = (OPENED, CLOSED) if marks else ("", "")
    try:
        sandbox.begin(0, len(messages), {})
        context = compiled.new_context(_given(template, messages, generation), shared=False)
        return sandbox.concat(compiled.root_render_func(context)), sandbox.longest()
    except Exception as error:
        raise _fault(error) from error


def _given(template: Template, messages: Sequence[View], generation: bool) -> dict[str, Any]:
    return {
        "messages": list(messages),
        "add_generation_prompt": generation,
        "bos_token": template.bos,
        "eos_token": template.eos,
        "tools": None,
        "documents": None,
    }


def _characters(messages: Sequence[View]) -> int:
    return sum(len(m["content"]) + len(m.get("tool_calls_text", "")) for m in messages)


def _mark() -> _Mark:
    mark = str.__new__(_Mark, "")
    mark.spans = ()
    return mark


def _traced_view(message: View, index: int, count: int) -> View:
    calls = index + 1 + count
    marked = {key: _traced_value(value, calls) for key, value in message.items()}
    return marked | {"role": message["role"], "content": traced(message["content"], index + 1)}


def _traced_value(value: Any, source: int) -> Any:
    if isinstance(value, str):
        return traced(value, source)
    if isinstance(value, list):
        return [_traced_value(item, source) for item in value]
    if isinstance(value, dict):
        return {_traced_value(key, source): _traced_value(item, source) for key, item in value.items()}
    return value


def _spans(pieces: list[tuple[str, int | None]], marks: list[tuple[int, int]]) -> Trace:
    ends, sources, turns = [], [], []
    at = 0
    for piece, turn in pieces:
        for length, source in joined([piece]).spans:
            at += length
            if ends and (sources[-1], turns[-1]) == (source, turn):
                ends[-1] = at
            else:
                ends.append(at)
                sources.append(source)
                turns.append(turn)
    return Trace("".join(piece for piece, _ in pieces), ends, sources, turns, marks)


def _fault(error: Exception) -> TemplateFault:
    if isinstance(error, TemplateFault):
        return error
    detail = f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, UndefinedError):
        return TemplateFault("template.undefined", detail)
    if isinstance(error, SecurityError):
        return TemplateFault("template.unsafe", detail)
    if isinstance(error, (RecursionError, MemoryError)):
        return TemplateFault("template.limit", detail)
    if isinstance(error, TemplateError):
        return TemplateFault("template.raised", detail)
    return TemplateFault("template.failed", detail)
