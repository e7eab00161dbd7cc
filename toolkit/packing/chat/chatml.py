r"""One chat template, ChatML, written twice: as Jinja for the text, as segments for the masks.

A trainer needs two things of a conversation: its text, and which parts of that text the
model is asked to produce. A Jinja template gives the first and hides the second, and masks
guessed afterwards from the text go wrong on white space and on look-alike markers. So the
same rule is written a second time, as a list of segments that know what they are:

    <|im_start|>  role\n  content [tool calls]  <|im_end|>  \n
    control       text    text                  control     text
                          trained if assistant  trained if assistant

``rendered_text`` is the Jinja rendering and ``render`` the segments; a test holds them equal.
Content is verbatim: nothing is stripped, so a leading newline stays the author's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from toolkit.errors import RequestError
from toolkit.records.schema import ROLES

IM_START, IM_END, END_OF_TEXT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CONTROL_TOKENS = (END_OF_TEXT, IM_START, IM_END)

TEMPLATE = r"""{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\n' }}
{{- message['content'] or '' }}
{%- if message['tool_calls'] %}
{{- '\n' if message['content'] else '' }}{{ '<tool_call>\n' + message['tool_calls'] + '\n</tool_call>' }}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}"""

TEMPLATE_SHA256 = hashlib.sha256(TEMPLATE.encode()).hexdigest()

Message = Mapping[str, str | None]


@dataclass(frozen=True)
class Segment:
    """A run of text: ``control`` becomes one token by id, ``trained`` counts in the loss."""

    text: str
    control: bool
    trained: bool


def header(role: str) -> str:
    r"""Return the text between ``<|im_start|>`` and the content: the role and a newline."""
    if role not in ROLES:
        raise RequestError(
            f"the chat template met the role {role!r}; it knows {', '.join(ROLES)}. "
            "Map the role while the records are made."
        )
    return f"{role}\n"


def body(content: str | None, tool_calls: str | None = None) -> str:
    """Return what a message says: its content, then its tool calls between their tags."""
    content = content or ""
    if not tool_calls:
        return content
    return content + ("\n" if content else "") + f"<tool_call>\n{tool_calls}\n</tool_call>"


def render(messages: Sequence[Message], *, train: bool = True, generation: bool = False) -> list[Segment]:
    """Cut a conversation into segments whose texts, joined, are ``rendered_text(messages)``.

    ``messages``: mappings with ``role``, ``content`` and optionally ``tool_calls`` (text or None).
    ``train=False`` trains nothing, as in the prompt of a preference pair.
    ``generation=True`` ends with the header that asks the assistant to speak.
    Raises RequestError for a role outside ``toolkit.records.schema.ROLES``.
    """
    segments = []
    for message in messages:
        trained = train and message["role"] == "assistant"
        segments += [
            Segment(IM_START, True, False),
            Segment(header(message["role"]), False, False),
            Segment(body(message["content"], message.get("tool_calls")), False, trained),
            Segment(IM_END, True, trained),
            Segment("\n", False, False),
        ]
    if generation:
        segments += [Segment(IM_START, True, False), Segment(header("assistant"), False, False)]
    return segments


@cache
def _compiled() -> Template:
    return ImmutableSandboxedEnvironment(autoescape=False).from_string(TEMPLATE)


def rendered_text(messages: Sequence[Message], *, generation: bool = False) -> str:
    """Render the conversation with Jinja, sandboxed: the exact text that its tokens decode to."""
    return _compiled().render(messages=messages, add_generation_prompt=generation)
