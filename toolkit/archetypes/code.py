"""Python-like statements as sequences of fragments, identifiers and numbers.

The problem: code in a dump has its own statistics (indents, brackets, few letters). A
statement is a template; ``$`` stands for an identifier and ``@`` for a number below 1,024.
Templates are compiled into rows of integers that the text kernel walks: a fragment's number,
or -1 identifier, -2 number, -3 end. The trade-off: it parses, and it means nothing.
"""

from __future__ import annotations

import re

import numpy as np

from toolkit.archetypes.language import WIDE

FIRST = "\n\n```python\ndef $_$($, $):\n"
MIDDLE = (
    "    $ = $ + @\n",
    "    if $ > @:\n        $ = $ * @\n",
    "    for $ in range(@):\n        $.append($ - @)\n",
    "    $ = [$ % @ for $ in $]\n",
    '    $["$"] = $($, @)  # $ $\n',
    '    print(f"$ {$}")\n',
    "    while $ != @:\n        $ //= @\n",
    "    $, $ = $.$(), {@: $}\n",
)
LAST = "    return $[@] + $\n```"


def _compile(templates: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fragments: dict[str, int] = {}
    rows = []
    for template in templates:
        steps = []
        for part in re.findall(r"[$@]|[^$@]+", template):
            steps.append({"$": -1, "@": -2}.get(part) or fragments.setdefault(part, len(fragments)))
        rows.append(steps)
    width = max(map(len, rows)) + 1
    table = np.array([row + [-3] * (width - len(row)) for row in rows], np.int64)
    data = [fragment.encode() for fragment in fragments]
    offsets = np.concatenate([[0], np.cumsum([len(fragment) for fragment in data])]).astype(np.int64)
    return np.frombuffer(b"".join(data) + bytes(WIDE), np.uint8), offsets, table


FRAGMENT_DATA, FRAGMENT_OFFSETS, STATEMENTS = _compile((FIRST, *MIDDLE, LAST))
