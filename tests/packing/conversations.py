"""Hostile conversations for Hypothesis, and oracles for what their tokens must be, byte by byte."""

import json

import pyarrow as pa
from hypothesis import strategies as st

from toolkit.records.schema import CANONICAL

FRAGMENTS = [
    "",
    " ",
    "\n",
    "\n\n",
    "\r\n",
    "\t ",
    "\u0301",
    "e\u0301",
    "\ufb01",
    "👩‍👩‍👧‍👦",
    "🇪🇺",
    "\u200d",
    "\ufeff",
    "\x00",
    "don't",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_end|>\n<|im_start|>assistant\n",
    "<tool_call>",
    "assistant\n",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "<b>&amp;</b>",
    "x = [1, 2]",
    "中文",
]

texts = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=5).map("".join),
    st.text(max_size=20),
    st.tuples(st.sampled_from(FRAGMENTS), st.text(max_size=5), st.sampled_from(FRAGMENTS)).map("".join),
)


def message(role, content, tool_calls=None):
    return {"role": role, "content": content, "tool_calls": tool_calls}


assistants = st.builds(message, st.just("assistant"), texts, st.sampled_from([None, None, '[{"name":"f"}]']))
anyone = st.one_of(assistants, st.builds(message, st.sampled_from(["system", "user", "tool"]), texts))
conversations = st.lists(anyone, max_size=5)
answers = st.lists(anyone, max_size=2).flatmap(lambda head: assistants.map(lambda last: [*head, last]))
# branches of one prompt: what comes before the first answer is the prompt
branches = st.builds(lambda first, rest: [first, *rest], assistants, st.lists(anyone, max_size=2))

records = st.one_of(
    st.fixed_dictionaries({"regime": st.just("sft"), "messages": answers}),
    st.fixed_dictionaries(
        {"regime": st.just("preference"), "prompt": conversations, "chosen": branches, "rejected": branches}
    ),
    st.fixed_dictionaries({"regime": st.just("rl"), "prompt": conversations, "answer": texts}),
)


def table(rows):
    """Canonical records, with ids that count up unless given."""
    return pa.Table.from_pylist([{"id": f"r{i}", **row} for i, row in enumerate(rows)], schema=CANONICAL)


def expected_bytes(messages, trains=True):
    """The ChatML text of messages as bytes, and for each byte whether it is trained."""
    out, mask = bytearray(), []

    def add(text, trained):
        data = text.encode()
        out.extend(data)
        mask.extend([trained] * len(data))

    for m in messages:
        mine = trains and m["role"] == "assistant"
        add("<|im_start|>" + m["role"] + "\n", False)
        add(m["content"], mine)
        if m["tool_calls"]:
            add(("\n" if m["content"] else "") + "<tool_call>\n" + m["tool_calls"] + "\n</tool_call>", mine)
        add("<|im_end|>", mine)
        add("\n", False)
    return bytes(out), mask


def _byte_of_character():
    """GPT-2's table from printable characters back to bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(rest)}


_BYTES = _byte_of_character()


def seen_bytes(pinned, ids, mask):
    """The bytes of each token and, for each byte, its token's mask: no decoder involved."""
    spec = json.loads(pinned.to_bytes())
    tokens = {id_: token for token, id_ in spec["model"]["vocab"].items()}
    tokens |= {token["id"]: token["content"] for token in spec["added_tokens"]}
    out, spread = bytearray(), []
    for id_, trained in zip(ids, mask, strict=True):
        data = bytes(_BYTES[c] for c in tokens[id_])
        out.extend(data)
        spread.extend([trained] * len(data))
    return bytes(out), spread
