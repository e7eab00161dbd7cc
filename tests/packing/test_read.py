from toolkit.packing import documents, encode, pack_table

from .conversations import message, table

SAY = [message("assistant", "a"), message("assistant", "bc")]
ROWS = [
    {"regime": "sft", "messages": SAY[:1]},
    {"regime": "rl", "prompt": SAY},
    {"regime": "preference", "prompt": SAY, "chosen": SAY, "rejected": SAY[:1]},
    {"regime": "sft", "messages": SAY},
]


def plain(found):
    return sorted((name, ids.tolist(), mask.tolist()) for name, ids, mask in found)


def test_an_encoded_table_reads_as_named_documents(pinned):
    encoded = encode(table(ROWS), pinned)
    expected = []
    for row in encoded.to_pylist():
        for prefix, suffix in (("", ""), ("chosen_", ":chosen"), ("rejected_", ":rejected")):
            if row[f"{prefix}input_ids"] is not None:
                expected.append((row["id"] + suffix, row[f"{prefix}input_ids"], row[f"{prefix}loss_mask"]))
    assert plain(documents(encoded)) == sorted(expected)


def test_a_packed_table_reads_as_the_same_documents(pinned):
    encoded = encode(table(ROWS), pinned)
    gold = pack_table([encoded], [0, 0], [3, 0], [0, 2])
    assert gold.num_rows == 1
    sft = encoded.filter([True, False, False, True])
    assert plain(documents(gold)) == plain(documents(sft))


def test_slices_read_only_their_own_rows(pinned):
    encoded = encode(table(ROWS), pinned)
    assert [name for name, _, _ in documents(encoded.slice(2, 1))] == ["r2:chosen", "r2:rejected"]
