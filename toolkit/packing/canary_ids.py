"""Is the tokenizer at hand the one that made this gold? Ask it for texts whose ids are known.

A checksum of tokenizer.json answers for that one file. A model often brings its tokenizer in another
form (another file, a class with its own rules), and what counts is the ids. So gold remembers some
awkward texts with their ids in its metadata, under ``canaries`` (see the module of that name).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from toolkit.errors import RequestError

CANARIES = "canaries"


def check_canary_ids(metadata: Mapping[str, str], encode: Callable[[str], Sequence[int]]) -> int:
    """Compare a tokenizer with the one that made the gold; return how many texts were compared.

    ``metadata``: the gold's (``GoldReader.metadata``). ``encode``: text to ids, no special tokens added
    and none recognised in the text. Raises RequestError with the first text whose ids differ, or if the
    gold remembers no texts.
    """
    canaries = dict(json.loads(metadata.get(CANARIES, "{}")).get("texts", ()))
    if not canaries:
        raise RequestError(
            f"this gold's metadata hold no {CANARIES}: compare the sha256 of tokenizer.json with its "
            f"tokenizer_sha256 {metadata.get('tokenizer_sha256')}, or pack again to have them written."
        )
    for text, ids in canaries.items():
        found = [int(i) for i in encode(text)]
        if found != ids:
            same = [a == b for a, b in zip(found, ids, strict=False)]
            shared = [*same, False].index(False)
            raise RequestError(
                f"this is not the tokenizer that made the gold: {json.dumps(text[:60])} gives "
                f"{found[shared : shared + 5]} from token {shared} on and {ids[shared : shared + 5]} in the "
                f"gold. Use the tokenizer whose file has sha256 {metadata.get('tokenizer_sha256')}."
            )
    return len(canaries)
