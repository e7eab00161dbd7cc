"""Files that need not outlive the machine they were made on: those in folders under ``.work``.

A killed process takes nothing with it that it has written; a machine that goes down takes what has not
reached the disk. So a run marks its ``.work`` with the machine's boot, and nobody who writes below it in
that boot waits for the disk. A run that finds the mark of another boot takes what lies there as lost
(``atomic.clean_leftovers``), and whoever drops a scratch drops its mark last. Other machines, which have
another boot, and systems that do not tell theirs wait as they do elsewhere. What is not covered: storage
that loses what it was given while the machine that gave it goes on.
"""

from __future__ import annotations

from pathlib import Path

SCRATCH = ".work"
MARK = "boot"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str | None:
    """What tells this run of this machine's system from any other; None where that is not told."""
    return line_of(_BOOT) or None


def is_scratch(path: Path) -> bool:
    """Whether ``path`` lies in a folder under a ``.work`` that was marked in this boot."""
    parts = path.parts
    if SCRATCH not in parts[:-2]:
        return False
    work = Path(*parts[: len(parts) - parts[::-1].index(SCRATCH)])
    found = line_of(work / MARK)
    return found is not None and found == boot()


def line_of(path: Path) -> str | None:
    """The one line of a file, whatever is in it; None where there is no file."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return None
