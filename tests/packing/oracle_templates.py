"""What each ready template must yield, written a second time, by hand: no Jinja, no alignment.

A conversation becomes a list of (text, is a control token, is trained). Only what the format's
publishers describe, and what the templates' own first lines state, is used here.
"""

import json

T, F = True, False


def calls_of(text):
    """Tool calls as (name, arguments, id), or None if the text is no list of them."""
    try:
        value = json.loads(text)
        out = []
        for item in value if isinstance(value, list) else [value]:
            f = item.get("function", item)
            arguments = f.get("arguments") or {}
            if isinstance(arguments, str):
                arguments = json.loads(arguments)
            out.append((f["name"], arguments, item.get("id")))
        return out or None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def chatml(messages, prompt):
    for m in messages:
        a = m["role"] == "assistant"
        yield "<|im_start|>", T, F
        yield m["role"] + "\n", F, F
        yield (m["content"] or ""), F, a
        if m["tool_calls"]:
            yield ("\n" if m["content"] else "") + "<tool_call>\n" + m["tool_calls"] + "\n</tool_call>", F, a
        yield "<|im_end|>", T, a
        yield "\n", F, F
    if prompt:
        yield "<|im_start|>", T, F
        yield "assistant\n", F, F


def llama_3(messages, prompt):
    yield "<|begin_of_text|>", T, F
    for m in [*messages, *([{"role": "assistant", "content": None}] if prompt else [])]:
        a = m["role"] == "assistant"
        yield "<|start_header_id|>", T, F
        yield "ipython" if m["role"] == "tool" else m["role"], F, F
        yield "<|end_header_id|>", T, F
        yield "\n\n", F, F
        if prompt and m["content"] is None and "tool_calls" not in m:
            return
        said = (m["content"] or "").strip()
        lines = [said] if said else []
        if m["tool_calls"]:
            calls = calls_of(m["tool_calls"])
            if calls is None:
                lines.append(m["tool_calls"])
            else:
                lines += [f'{{"name": {dumps(n)}, "parameters": {dumps(x)}}}' for n, x, _ in calls]
        yield "\n".join(lines), F, a
        yield "<|eot_id|>", T, a


def qwen(messages, prompt):
    for i, m in enumerate(messages):
        if m["role"] == "tool":
            if i == 0 or messages[i - 1]["role"] != "tool":
                yield "<|im_start|>", T, F
                yield "user", F, F
            yield "\n<tool_response>\n" + (m["content"] or "") + "\n</tool_response>", F, F
            if i + 1 == len(messages) or messages[i + 1]["role"] != "tool":
                yield "<|im_end|>", T, F
                yield "\n", F, F
            continue
        a = m["role"] == "assistant"
        yield "<|im_start|>", T, F
        yield m["role"] + "\n", F, F
        lines = [m["content"]] if m["content"] else []
        if m["tool_calls"]:
            calls = calls_of(m["tool_calls"])
            inner = [m["tool_calls"]]
            if calls is not None:
                inner = [f'{{"name": {dumps(n)}, "arguments": {dumps(x)}}}' for n, x, _ in calls]
            lines += [f"<tool_call>\n{one}\n</tool_call>" for one in inner]
        yield "\n".join(lines), F, a
        yield "<|im_end|>", T, a
        yield "\n", F, F
    if prompt:
        yield "<|im_start|>", T, F
        yield "assistant\n", F, F


def folded(messages):
    """A first system message goes in front of the user turn after it."""
    if len(messages) > 1 and messages[0]["role"] == "system" and messages[1]["role"] == "user":
        return [((messages[0]["content"] or "") + "\n\n", messages[1]), *(("", m) for m in messages[2:])]
    return [("", m) for m in messages]


def gemma(messages, prompt):
    yield "<bos>", T, F
    for before, m in folded(messages):
        a = m["role"] == "assistant"
        said = (m["content"] or "").strip()
        if m["role"] == "tool":
            said = f"<tool_response>\n{said}\n</tool_response>"
        yield "<start_of_turn>", T, F
        yield ("model" if a else "user") + "\n", F, F
        yield before + said, F, a
        if m["tool_calls"]:
            yield ("\n" if said else "") + "<tool_call>\n" + m["tool_calls"] + "\n</tool_call>", F, a
        yield "<end_of_turn>", T, a
        yield "\n", F, F
    if prompt:
        yield "<start_of_turn>", T, F
        yield "model\n", F, F


def mistral(messages, prompt):
    yield "<s>", T, F
    for before, m in folded(messages):
        if m["role"] == "assistant":
            if m["content"] or not m["tool_calls"]:
                yield " " + (m["content"] or ""), F, T
            if m["tool_calls"]:
                calls = calls_of(m["tool_calls"])
                yield "[TOOL_CALLS]", T, T
                if calls is None:
                    yield " " + m["tool_calls"], F, T
                else:
                    ids = [f', "id": {dumps(c[2])}' if c[2] else "" for c in calls]
                    parts = [f'{{"name": {dumps(n)}, "arguments": {dumps(x)}' for n, x, _ in calls]
                    yield " [" + ", ".join(p + i + "}" for p, i in zip(parts, ids, strict=True)) + "]", F, T
            yield "</s>", T, T
        elif m["role"] == "tool":
            yield "[TOOL_RESULTS]", T, F
            yield ' {"content": ' + dumps(m["content"] or "") + "}", F, F
            yield "[/TOOL_RESULTS]", T, F
        else:
            yield "[INST]", T, F
            yield " " + before + (m["content"] or ""), F, F
            yield "[/INST]", T, F


def zephyr(messages, prompt):
    for m in messages:
        a = m["role"] == "assistant"
        tool = m["role"] == "tool"
        said = m["content"] or ""
        yield "<|" + ("user" if tool else m["role"]) + "|>\n", F, F
        yield f"<tool_response>\n{said}\n</tool_response>" if tool else said, F, a
        if m["tool_calls"]:
            yield ("\n" if said else "") + "<tool_call>\n" + m["tool_calls"] + "\n</tool_call>", F, a
        yield "</s>", T, a
        yield "\n", F, F
    if prompt:
        yield "<|assistant|>\n", F, F


FAMILIES = {
    "chatml": chatml,
    "llama-3": llama_3,
    "qwen": qwen,
    "gemma": gemma,
    "mistral": mistral,
    "zephyr": zephyr,
}


def characters(pieces):
    """(character or control token, is control, trained) one by one: how a text is cut plays no part."""
    out = []
    for text, control, trained in pieces:
        out += [(text, True, trained)] if control else [(c, False, trained) for c in text]
    return out


def expected(name, messages, prompt=False):
    return characters(FAMILIES[name](messages, prompt))


def seen(runs, sequence, control):
    """The same of one sequence of ``Runs``."""
    pieces = []
    for run in range(int(runs.ends[sequence]), int(runs.ends[sequence + 1])):
        index = int(runs.control[run])
        text = control[index] if index >= 0 else runs.texts[run].as_py()
        pieces.append((text, index >= 0, bool(runs.trained[run])))
    return characters(pieces)
