"""Files that need not outlive the machine they were made on: those in folders under ``.work``.

A killed process takes nothing with it that it has written; a machine that goes down takes what has not
reached the disk. So a run marks its ``.work`` with the machine's boot, and nobody who writes below it in
that boot waits for the disk. A run that finds the mark of another boot takes what lies there as lost
(``atomic.begin_scratch``).
Other machines, which have another boot, and systems that do not tell theirs wait as they do elsewhere.
"""

from __future__ import annotations

from pathlib import Path

SCRATCH = ".work"
MARK = "boot"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str | None:
    """What tells this run of this machine's system from any other; None where that is not told."""
    return line_of(_BOOT)


def is_scratch(path: Path) -> bool:
    """Whether ``path`` lies in a folder under a ``.work`` that was marked in this boot."""
    parts = path.parts
    if SCRATCH not in parts[:-2]:
        return False
    work = Path(*parts[: len(parts) - parts[::-1].index(SCRATCH)])
    found = line_of(work / MARK)
    return found is not None and found == boot()


def line_of(path: Path) -> str | None:
    """The one line of a file; None where there is none."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
