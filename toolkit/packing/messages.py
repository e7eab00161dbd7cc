"""A column of conversations as buffers: where each content lies, and what shape each conversation has.

The shape is all that a blind template sees: for each message its role, whether its content is
empty, blank or text, and whether it has tool calls. It is read by kernels from Arrow's buffers,
without a Python object for a message.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.kernels.buffers import text_buffers
from toolkit.packing.fill import stripped
from toolkit.packing.skeleton import BLANK, EMPTY, TEXT
from toolkit.records.schema import ROLES


@dataclass(frozen=True)
class Messages:
    """Messages of all rows end to end: row i has ``ends[i]`` to ``ends[i + 1]``."""

    ends: np.ndarray  # int64 [rows + 1]
    absent: np.ndarray  # bool [rows], null lists
    flat: pa.StructArray
    role: np.ndarray  # int64 [messages], index in ROLES, -1 for any other
    state: np.ndarray  # int64 [messages]: EMPTY, BLANK or TEXT
    contents: tuple[np.ndarray, np.ndarray]
    calls: tuple[np.ndarray, np.ndarray]
    bare: np.ndarray  # int64 [messages, 2], contents without white space around

    @property
    def rows(self) -> int:
        """How many conversations there are."""
        return self.ends.size - 1

    @property
    def called(self) -> np.ndarray:
        """Which messages have tool calls: bool [messages]."""
        return np.diff(self.calls[1]) > 0

    def any(self, flags: np.ndarray) -> np.ndarray:
        """Which rows have a message with a flag: bool [rows]."""
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags)])
        return before[self.ends[1:]] > before[self.ends[:-1]]


def one_array(messages: pa.ListArray | pa.ChunkedArray) -> pa.ListArray:
    """Return a column as one array."""
    if not isinstance(messages, pa.ChunkedArray):
        return messages
    return messages.chunk(0) if messages.num_chunks == 1 else messages.combine_chunks()  # which would copy


def read_messages(messages: pa.ListArray) -> Messages:
    """Read lists of ``toolkit.records.schema.MESSAGE``; a null content or call is an empty one."""
    lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy().astype(np.int64)
    flat = messages.flatten()
    role, content, calls = (pc.struct_field(flat, name) for name in ("role", "content", "tool_calls"))
    contents = text_buffers(content)
    bare = stripped(*contents)
    state = np.where(bare[:, 0] < bare[:, 1], TEXT, BLANK)
    state[contents[1][:-1] == contents[1][1:]] = EMPTY
    return Messages(
        np.concatenate([[0], np.cumsum(lengths)]),
        messages.is_null().to_numpy(zero_copy_only=False),
        flat,
        pc.fill_null(pc.index_in(role, pa.array(ROLES)), -1).to_numpy().astype(np.int64),
        state,
        contents,
        text_buffers(calls),
        bare,
    )
