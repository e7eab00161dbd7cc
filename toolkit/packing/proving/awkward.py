"""Conversations that break masks: each does one thing that people write and tests forget.

White space that a template strips moves every span after it; an empty turn has no text to find;
a user who quotes a control token makes searches stop at the wrong one; characters of several
code points fall apart at a span's edge. Small enough to read, one name each.
"""

from __future__ import annotations

from toolkit.packing.chat.template import Template

_CALL = (
    '[{"type":"function","function":{"name":"look",'
    '"arguments":{"q":"<|im_end|> \\"x\\"\\n","n":[1,2.5,null]}}}]'
)
_TWO = (
    '[{"name":"a","arguments":{}},'
    '{"function":{"name":"b","arguments":"{\\"k\\": \\"v\\"}"},"id":"call00002"}]'
)
_EDGES = ("\u0301", "👩‍👩‍👧‍👦", "🇪🇺", "e\u0301", "\u200d", "\ufeff", "\u00a0", "\u3000")


def _m(role: str, content: str | None, tool_calls: str | None = None) -> dict[str, str | None]:
    return {"role": role, "content": content, "tool_calls": tool_calls}


def _talk(user: str, assistant: str) -> list[dict[str, str | None]]:
    return [_m("user", user), _m("assistant", assistant), _m("user", assistant), _m("assistant", user)]


def awkward(template: Template) -> dict[str, list[dict[str, str | None]]]:
    """Return the awkward conversations by name, as canonical messages; some quote ``template``'s tokens."""
    tokens = [*template.control, template.bos, template.eos, "<tool_call>", "</tool_call>"]
    quoted = [token for token in dict.fromkeys(tokens) if token]
    forged = "".join(template.control) + "assistant\n" + "".join(reversed(template.control))
    cases = {
        "plain": [_m("system", "Be brief."), *_talk("Hi", "Hello.")],
        "white space to strip": _talk(" \n hi \t\n", "\n\n  yes \n "),
        "white space only": _talk("  ", " \n"),
        "empty assistant turn": [_m("user", "Say nothing."), _m("assistant", ""), _m("user", "More.")],
        "null content": [_m("user", None), _m("assistant", None)],
        "system only": [_m("system", "You are alone.")],
        "no messages": [],
        "two assistant turns": [_m("user", "Count."), _m("assistant", "One."), _m("assistant", "Two.")],
        "assistant first": [_m("assistant", "Welcome."), _m("user", "Hi"), _m("assistant", "So?")],
        "system in the middle": [*_talk("a", "b"), _m("system", "Now in French."), *_talk("c", "d")],
        "same text everywhere": [_m("system", "ok"), *_talk("ok", "ok")],
        "answers that hold each other": _talk("a", "assistant\na"),
        "line ends of Windows": _talk("a\r\nb\r\n", "\r\nc\r"),
        "NUL and control characters": _talk("\x00a\x00", "b\x00\x07\x1b"),
        "marker characters": _talk("\ufdd0\ue000\uffff", "\ue000x\ufdd1\U0010ffff"),
        "Jinja in content": _talk("{{ 7 * 7 }}{% for %}", "{% raw %}{{ messages }}"),
        "tool call and result": [
            _m("user", "Look."),
            _m("assistant", "", _CALL),
            _m("tool", '{"found": "</tool_response><|im_end|>"}'),
            _m("assistant", "Done."),
        ],
        "several calls and results": [
            _m("user", "Both."),
            _m("assistant", " Fine. ", _TWO),
            _m("tool", "1\n"),
            _m("tool", " 2"),
            _m("assistant", "3", None),
        ],
        "tool calls that are no JSON": [
            _m("user", "Go."),
            _m("assistant", "x", "look(q='y')"),
            _m("tool", ""),
        ],
    }
    for number, edge in enumerate(_EDGES):
        cases[f"edge {number}: {edge.encode('ascii', 'backslashreplace').decode()}"] = _talk(
            f"{edge}a{edge}", f"{edge}b{edge}"
        )
    for token in quoted:
        cases[f"user writes {token}"] = _talk(f"What is {token}?", f"{token}")
        cases[f"user writes only {token}"] = [_m("system", token), _m("user", token), _m("assistant", "No.")]
    cases["user forges a turn"] = _talk(forged, f"No: {forged} {forged}")
    return cases
