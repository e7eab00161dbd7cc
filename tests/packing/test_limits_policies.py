import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import ENCODED, encode, limit, tokens_hash, too_long

from .conversations import anyone, assistants, branches, conversations, message, table

POLICIES = ["drop", "truncate_left", "truncate_right", "split"]
long_talk = st.lists(anyone, min_size=4, max_size=12).flatmap(lambda m: assistants.map(lambda a: [*m, a]))
EMOJI = message("assistant", "👩‍👩‍👧‍👦中文é" * 12)
records = st.one_of(
    st.builds(lambda m: {"regime": "sft", "messages": [*m, EMOJI]}, conversations),
    st.fixed_dictionaries({"regime": st.just("sft"), "messages": long_talk}),
    st.fixed_dictionaries(
        {"regime": st.just("preference"), "prompt": long_talk, "chosen": branches, "rejected": branches}
    ),
    st.builds(
        lambda m, b: {"regime": "preference", "prompt": m, "chosen": [EMOJI], "rejected": b},
        conversations,
        branches,
    ),
    st.fixed_dictionaries({"regime": st.just("rl"), "prompt": long_talk}),
)
hostile = settings(max_examples=60, deadline=None)
NAMES = [("input_ids", "loss_mask")] + [(f"{b}_input_ids", f"{b}_loss_mask") for b in ("chosen", "rejected")]


def spelled(pinned, ids):
    """Bytes of ids, by the table that the tokenizer tests hold to the text."""
    data, offsets = pinned.bytes_of.data, pinned.bytes_of.offsets
    return b"".join(bytes(data[offsets[i] : offsets[i + 1]]) for i in ids)


def whole_characters(pinned, ids):
    try:
        spelled(pinned, ids).decode()
    except UnicodeDecodeError:
        return False
    return True


def cut_down(pinned, ids, at):
    while not whole_characters(pinned, ids[:at]):
        at -= 1
    return at


def cut_up(pinned, ids, at):
    while not whole_characters(pinned, ids[at:]):
        at += 1
    return at


def oracle(pinned, row, context, policy):
    """The records that one encoded row becomes, each a list of (ids, mask), and the heads repeated."""
    parts = [(row[i], row[m]) for i, m in NAMES if row[i] is not None]
    if all(len(ids) <= context for ids, _ in parts):
        return [parts], [0]
    one = row["regime"] != "preference"
    if policy == "split" and row["regime"] == "sft":
        return split(pinned, *parts[0], context)
    if policy == "truncate_right" and row["regime"] != "rl":
        ends = [cut_down(pinned, ids, min(context, len(ids))) for ids, _ in parts]
        out = [(ids[:e], mask[:e]) for (ids, mask), e in zip(parts, ends, strict=True)]
        return ([out], [0]) if all(any(mask) for _, mask in out) else ([], [])
    if policy == "truncate_left":
        start = cut_up(pinned, parts[0][0], max(len(ids) for ids, _ in parts) - context)
        out = [(ids[start:], mask[start:]) for ids, mask in parts]
        good = row["regime"] == "rl" or all(any(mask) for _, mask in out)
        return ([out], [0]) if good and (one or start <= row["prompt_tokens"]) else ([], [])
    return [], []


def split(pinned, ids, mask, context):
    head = cut_down(pinned, ids, min(mask.index(True) if any(mask) else len(ids), context // 2))
    at, pieces, heads = 0, [], []
    while at < len(ids):
        before = ids[:head] if at else []
        end = min(at + context - len(before), len(ids))
        end = at + cut_down(pinned, ids[at:], end - at)
        if end == at:
            end = min(at + context - len(before), len(ids))
            end += cut_up(pinned, ids[end:], 0)
        if any(mask[at:end]) and len(before) + end - at <= context:
            pieces.append([(before + ids[at:end], [False] * len(before) + mask[at:end])])
            heads.append(len(before))
        at = end
    return pieces, heads


@hostile
@given(rows=st.lists(records, max_size=4), context=st.integers(16, 80), policy=st.sampled_from(POLICIES))
def test_every_policy_does_what_the_slow_oracle_does(pinned, rows, context, policy):
    encoded = encode(table(rows), pinned)
    limited = limit(encoded, context, policy, pinned)
    expected, sources, repeated = [], [], 0
    for i, row in enumerate(encoded.to_pylist()):
        made, heads = oracle(pinned, row, context, policy)
        expected, sources, repeated = expected + made, sources + [i] * len(made), repeated + sum(heads)
    got = limited.table.to_pylist()
    assert [[(r[i], r[m]) for i, m in NAMES if r[i] is not None] for r in got] == expected
    assert limited.rows.tolist() == sources
    assert limited.tokens["repeated"] == repeated
    assert [r["tokens"] for r in got] == [sum(len(ids) for ids, _ in made) for made in expected]
    assert limited.dropped.tolist() == sorted(set(range(len(rows))) - set(sources))


@hostile
@given(rows=st.lists(records, max_size=4), context=st.integers(16, 80), policy=st.sampled_from(POLICIES))
def test_tokens_are_conserved_and_what_comes_out_can_be_trained_on(pinned, rows, context, policy):
    encoded = encode(table(rows), pinned)
    limited = limit(encoded, context, policy, pinned)
    count = limited.tokens
    assert count["in"] == sum(encoded["tokens"].to_pylist())
    assert count["in"] == count["kept"] + count["truncated"] + count["dropped"]
    assert sum(limited.table["tokens"].to_pylist()) == count["kept"] + count["repeated"]
    assert limited.table.schema == ENCODED
    assert not too_long(limited.table, context).any()
    for row in limited.table.to_pylist():
        for ids, mask in NAMES:
            if row[ids] is not None:
                assert whole_characters(pinned, row[ids])
                assert any(row[mask]) or row["regime"] == "rl"
        if row["regime"] == "preference":
            n = row["prompt_tokens"]
            assert row["chosen_input_ids"][:n] == row["rejected_input_ids"][:n]
            assert not any(row["chosen_loss_mask"][:n])


def test_pieces_are_numbered_and_begin_with_the_system_prompt(pinned):
    talk = [message("system", "Be kind."), message("user", "Hi"), message("assistant", "é中👍🏽 " * 60)]
    encoded = encode(table([{"regime": "sft", "messages": talk}]), pinned)
    limited = limit(encoded, 64, "split", pinned)
    assert limited.table["id"].to_pylist() == [f"r0#{k + 1}" for k in range(len(limited.rows))]
    texts = [pinned.decode(ids) for ids in limited.table["input_ids"].to_pylist()]
    assert all(t.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi") for t in texts)
    head = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert "".join([texts[0], *(t.removeprefix(head) for t in texts[1:])]) == pinned.decode(
        encoded["input_ids"][0].as_py()
    )


def test_records_that_fit_are_untouched_and_keep_their_hash(pinned):
    encoded = encode(table([{"regime": "sft", "messages": [EMOJI]}]), pinned)
    for policy in POLICIES:
        assert limit(encoded, 4096, policy, pinned).table is encoded
    long = encode(table([{"regime": "sft", "messages": [EMOJI] * 9}]), pinned)
    mixed = limit(
        encode(
            table([{"regime": "sft", "messages": [EMOJI] * n} for n in (1, 9)]),
            pinned,
        ),
        encoded["tokens"][0].as_py(),
        "drop",
        pinned,
    )
    assert long["tokens"][0].as_py() == mixed.tokens["dropped"]
    assert tokens_hash(mixed.table) == tokens_hash(encoded)


def test_an_unknown_policy_or_a_context_without_room_is_refused(pinned):
    empty = encode(table([]), pinned)
    for context, policy in ((64, "cut"), (15, "drop")):
        with pytest.raises(RequestError, match="at least 16 tokens"):
            limit(empty, context, policy, pinned)
    assert limit(empty, 64, "split", pinned).tokens["in"] == 0
