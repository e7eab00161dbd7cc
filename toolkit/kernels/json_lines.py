"""JSON lines without a Python object a line: the kernels on the way from raw bytes to bronze.

    frame -> scan -> alike -> flatten -> digests -> bronze_lines      and the books: leading_u64, add_mod128

Rows are places in one buffer: ``data`` uint8, ``start`` and ``stop`` int64. No kernel reads a byte
of a row that lies at or after its ``stop`` to decide anything. ``reference_lines`` says in plain
Python what each computes.
"""

from toolkit.kernels.alike import alike
from toolkit.kernels.bronze_lines import bronze_lines
from toolkit.kernels.flatten import flatten
from toolkit.kernels.frame import count_newlines, frame
from toolkit.kernels.json_scan import ABSENT, ASK, BAD, GOOD, OTHER, Scan, scan
from toolkit.kernels.set_hash import add_mod128, leading_u64
from toolkit.kernels.sha256 import digests

__all__ = [
    "ABSENT",
    "ASK",
    "BAD",
    "GOOD",
    "OTHER",
    "Scan",
    "add_mod128",
    "alike",
    "bronze_lines",
    "count_newlines",
    "digests",
    "flatten",
    "frame",
    "leading_u64",
    "scan",
]
