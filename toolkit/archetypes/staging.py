"""Where a dump is written, and when it is refused.

Files are written into a folder of their own inside OUT and moved to their names when all of
them are whole, so a killed run leaves nothing that looks finished. A folder that holds anything
else than an earlier dump is refused: no file that is not ours is ever replaced or deleted.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import RequestError

STAGING = ".synth-partial"
LAKE = "lake"  # what the dump's own spec builds here: left alone


def prepare(out: Path, names: list[str]) -> Path:
    """Return the folder to write into, with its subfolders made.

    RequestError if ``out`` is a file, or holds files that are not all of ``names`` and no others
    (after an interrupted run: any of them).
    """
    if out.exists() and not out.is_dir():
        raise RequestError(f"{out} is a file; expected a folder to write the dump into. Choose another OUT.")
    staging = out / STAGING
    found = (
        {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
        if out.exists()
        else set()
    )
    found = {name for name in found if not name.startswith((f"{STAGING}/", f"{LAKE}/"))}
    unknown = sorted(found - set(names))
    if unknown:
        raise RequestError(
            f"{out} is not empty and holds {unknown[0]!r}, which synth does not write. "
            "Choose an empty folder, or move that file away."
        )
    if found and found != set(names) and not staging.exists():
        raise RequestError(
            f"{out} holds {len(found)} of the {len(names)} files of a dump (no {min(set(names) - found)!r}). "
            "Choose an empty folder, or remove them."
        )
    for name in names:
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
    return staging


def publish(staging: Path, out: Path, names: list[str]) -> dict[str, int]:
    """Move every file to its name, remove the empty staging folders, return sizes on disk in bytes."""
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(out / name)
    for folder in sorted({(staging / name).parent for name in names}, key=lambda p: -len(p.parts)):
        if not any(folder.iterdir()):
            folder.rmdir()
    return {name: (out / name).stat().st_size for name in names}
