"""The ready templates again, with ``{% generation %}`` around what the assistant says.

Some libraries mask only what a template marks. The marks say in Jinja what ``align`` finds out, so a
marked template is a second opinion: both must agree, on every record. A mark here holds the
answer, its tool calls and the token that stops it, as marked templates are commonly written.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.packing.chat.template import READY, Template

# where the assistant's part begins, the statement that ends it, and that statement cut at the stop token
_PLACES = {
    "chatml": ("{{ message['content'] }}", "{{- '<|im_end|>\\n' }}", "{{- '<|im_end|>' }}", "{{- '\\n' }}"),
    "llama-3": ("{%- set content", "{{- '<|eot_id|>' }}", "{{- '<|eot_id|>' }}", ""),
    "qwen": (
        "{{ message['content'] }}\n{%- if not",
        "{{- '<|im_end|>\\n' }}\n{%- endif %}",
        "{{- '<|im_end|>' }}",
        "{{- '\\n' }}\n{%- endif %}",
    ),
    "gemma": ("{%- set content", "{{- '<end_of_turn>\\n' }}", "{{- '<end_of_turn>' }}", "{{- '\\n' }}"),
    "mistral": ("{%- if message['content'] or", "{{- eos_token }}", "{{- eos_token }}", ""),
    "zephyr": ("{%- if message['role'] == 'tool' %}", "{{- eos_token }}", "{{- eos_token }}", ""),
}


def marked(name: str) -> Template:
    """Return a ready template with marks; its text is the same."""
    made = READY[name]
    begin, end, stop, rest = _PLACES[name]
    start = made.source.index(begin)
    finish = made.source.index(end, start)
    body = made.source[start:finish] + stop
    both = (
        "{%- if message['role'] == 'assistant' %}{% generation %}"
        f"{body}{{%- endgeneration %}}{{%- else %}}{body}{{%- endif %}}"
    )
    source = made.source[:start] + both + rest + made.source[finish + len(end) :]
    return replace(made, name=f"{name} with marks", source=source)
