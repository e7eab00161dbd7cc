"""The folder that a verb on plain files writes: claimed, known again when its work is done, published last.

While the work is under way there is no manifest; the last step sweeps out what an earlier call left under
other names and writes it. The same request on a whole folder has nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.jobs import WORK
from toolkit.storage import digest_json, drop_scratch, read_json, write_json

MANIFEST = "MANIFEST.json"
TIMINGS = "timings.json"  # alone of all files it differs between runs


def claim(out: Path, verb: str, known: Collection[str]) -> None:
    """Make the folder; RequestError when it holds what is neither ``known`` nor of an earlier call."""
    if out.is_dir() and not (out / WORK).exists() and not (out / MANIFEST).exists():
        ours = {MANIFEST, TIMINGS, WORK, "evidence", "quarantine", ".lock", *known}
        strangers = sorted(path.name for path in out.iterdir() if path.name not in ours)
        if strangers:
            raise RequestError(f"{out} is not empty ({strangers[0]}): give {verb} a new folder.")
    out.mkdir(parents=True, exist_ok=True)


def published(out: Path, key: str) -> Mapping[str, Any] | None:
    """The manifest if this very request was finished before and its files are there."""
    try:
        manifest = read_json(out / MANIFEST)
        whole = all((out / file["path"]).stat().st_size == file["size"] for file in manifest["files"])
    except (ToolkitError, OSError, KeyError, TypeError):
        return None
    return manifest if whole and manifest.get("key") == key else None


def unpublish(out: Path) -> None:
    """Take the manifest away before anything changes."""
    for name in (MANIFEST, TIMINGS):
        (out / name).unlink(missing_ok=True)


def publish(out: Path, manifest: dict[str, Any], timings: Mapping[str, Any], written: Iterable[Path]) -> None:
    """Remove those of ``written`` that the manifest does not name, and write it last."""
    named = {out / file["path"] for file in manifest["files"]}
    for path in written:
        if path not in named:
            path.unlink()
    manifest["sha256"] = digest_json(manifest)
    write_json(out / TIMINGS, timings)
    write_json(out / MANIFEST, manifest)
    drop_scratch(out)
