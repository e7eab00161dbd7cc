"""A chat template: Jinja text, the tokens it writes, and everything that pins what it will write.

    Template(name, source, bos, eos, control, date)  ->  text of a conversation

Seven facts decide the text of a conversation and which parts of it are control tokens, so they
stand together and are hashed together. ``READY`` holds six families, each a short file in
``templates``; ``read_template`` also reads what models are published with (``chat_template.jinja``,
or the ``tokenizer_config.json`` beside it). Where nothing else is said, the control tokens of a
stranger's template are those of the usual spellings that stand in it (``<|...|>``, bos, eos).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date as Date
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from toolkit.errors import RequestError
from toolkit.packing.chat.chatml import (
    CONTROL_TOKENS,
    END_OF_TEXT,
    IM_END,
    IM_START,
    TEMPLATE,
    TEMPLATE_SHA256,
    Message,
    Segment,
    body,
    header,
    render,
    rendered_text,
)
from toolkit.packing.chat.renderer import parsed
from toolkit.packing.chat.sandbox_nodes import has_marks, literals

_LONGEST = 1 << 18
_SPELLED = re.compile(r"<\|[^|<>\s]+\|>")


@dataclass(frozen=True)
class Template:
    """What decides a conversation's text; equal ``sha256``, equal text.

    ``source``: Jinja. ``bos``, ``eos``: given to it as ``bos_token`` and ``eos_token``. ``control``: the
    texts that it writes as control tokens, by index in ``Runs.control``. ``date``: ISO day that
    ``strftime_now`` tells; without one a template sees no such function, so no clock is ever read.
    """

    name: str
    source: str = field(repr=False)
    bos: str = ""
    eos: str = ""
    control: tuple[str, ...] = ()
    date: str | None = None

    def __post_init__(self) -> None:
        if len(self.source) > _LONGEST:
            raise RequestError(f"{self.name}: a chat template of over {_LONGEST:,} characters is refused.")
        if "" in self.control or len(set(self.control)) != len(self.control):
            raise RequestError(f"{self.name}: control tokens must be distinct texts: {self.control}.")
        if self.date is not None:
            _day(self.name, self.date)
        _tree(self.name, self.source)

    @cached_property
    def sha256(self) -> str:
        """Sha256 of all that decides the text: the source, bos, eos, control tokens and the date."""
        facts = [self.source, self.bos, self.eos, self.control, self.date]
        return hashlib.sha256(json.dumps(facts, ensure_ascii=True).encode()).hexdigest()

    @property
    def tokens(self) -> tuple[str, ...]:
        """What a tokenizer must hold as special tokens: those of ``control``, then bos and eos."""
        return tuple(dict.fromkeys([*self.control, *filter(None, (self.bos, self.eos))]))

    @property
    def pad(self) -> str:
        """The token to pad with: ``<|endoftext|>`` where the template has it, else eos, else bos."""
        return END_OF_TEXT if END_OF_TEXT in self.control else self.eos or self.bos or END_OF_TEXT

    @cached_property
    def has_marks(self) -> bool:
        """Whether the template says itself, with ``{% generation %}``, what the assistant says."""
        return has_marks(parsed(self.source))


def _day(name: str, text: str) -> Date:
    try:
        return Date.fromisoformat(text)
    except ValueError as error:
        raise RequestError(f"{name}: the date {text!r} is no day; give it as 2026-01-31.") from error


def _tree(name: str, source: str) -> nodes.Template:
    try:
        return parsed(source)
    except TemplateSyntaxError as error:
        raise RequestError(
            f"{name}, line {error.lineno}: not a usable chat template: {error.message}."
        ) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, TypeError) as error:
        raise RequestError(f"{name}: not a usable chat template: {error}.") from error


_TOLD = {
    "chatml": ("", IM_END, END_OF_TEXT, IM_START, IM_END),
    "llama-3": (
        "<|begin_of_text|>",
        "<|eot_id|>",
        *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "qwen": ("", IM_END, END_OF_TEXT, IM_START, IM_END),
    "gemma": ("<bos>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
    "mistral": (
        "<s>",
        "</s>",
        *("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    ),
    "zephyr": ("<s>", "</s>", "</s>"),
}


class _Ready(Mapping[str, Template]):
    """The templates that come with the toolkit, by name, each read when it is first asked for."""

    def __init__(self) -> None:
        self._read: dict[str, Template] = {}

    def __getitem__(self, name: str) -> Template:
        if name not in self._read:
            bos, eos, *control = _TOLD[name]
            source = (files("toolkit.packing.chat") / "templates" / f"{name}.jinja").read_text("utf-8")
            self._read[name] = Template(name, source, bos, eos, tuple(control))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in _TOLD

    def __iter__(self) -> Iterator[str]:
        return iter(_TOLD)

    def __len__(self) -> int:
        return len(_TOLD)


READY = _Ready()


def read_template(
    source: str | Path,
    *,
    bos: str | None = None,
    eos: str | None = None,
    control: Iterable[str] | None = None,
    date: str | None = None,
) -> Template:
    """Return a ready template by name, or read a user's.

    ``source``: a name in ``READY``; the path of a Jinja file, or of a ``tokenizer_config.json`` (whose
    ``chat_template``, ``bos_token``, ``eos_token`` and added tokens are read); or the Jinja text itself,
    known by its braces. ``control``: tokens of the tokenizer that are control tokens; those that the
    template can write are kept. Raises RequestError when there is no such template, when it is not
    Jinja, or when it asks for what the sandbox refuses.
    """
    if str(source) in READY:
        made = READY[str(source)]
        return replace(
            made, bos=made.bos if bos is None else bos, eos=made.eos if eos is None else eos, date=date
        )
    name, text, known = _read(source)
    bos = known.get("bos", "") if bos is None else bos
    eos = known.get("eos", "") if eos is None else eos
    tree = _tree(name, text)
    written = "\n".join(literals(tree))
    wanted = known.get("control", _SPELLED.findall(written)) if control is None else control
    names = {node.name for node in tree.find_all(nodes.Name)}
    own = [t for t, variable in ((bos, "bos_token"), (eos, "eos_token")) if t and variable in names]
    kept = dict.fromkeys([*own, *sorted(t for t in set(wanted) if t and t in written)])
    return Template(name, text, bos, eos, tuple(kept), date)


def _read(source: str | Path) -> tuple[str, str, dict]:
    """Return a template's name, its Jinja, and what its file says of tokens."""
    if isinstance(source, str) and ("{{" in source or "{%" in source):
        return "the template given as text", source, {}
    path = Path(source)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RequestError(
            f"{source}: no ready chat template ({', '.join(READY)}) and no file that can be read "
            f"({getattr(error, 'strerror', None) or error}). Give a name, a Jinja file, or Jinja text."
        ) from error
    return (str(path), *_config(str(path), text)) if path.suffix == ".json" else (str(path), text, {})


def _config(name: str, text: str) -> tuple[str, dict]:
    try:
        config = json.loads(text)
        source = config["chat_template"]
        if isinstance(source, list):  # several, by name
            source = next(one["template"] for one in source if one["name"] == "default")
        added = (config.get("added_tokens_decoder") or {}).values()
        known = {"control": [token["content"] for token in added if token.get("special")]} if added else {}
        for key in ("bos", "eos"):
            token = config.get(f"{key}_token") or ""
            known[key] = token["content"] if isinstance(token, dict) else token
        return str(source), known
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise RequestError(
            f"{name}: no chat_template in this file as tokenizer_config.json has it."
        ) from error


__all__ = [
    "CONTROL_TOKENS",
    "END_OF_TEXT",
    "IM_END",
    "IM_START",
    "READY",
    "TEMPLATE",
    "TEMPLATE_SHA256",
    "Message",
    "Segment",
    "Template",
    "body",
    "header",
    "read_template",
    "render",
    "rendered_text",
]
