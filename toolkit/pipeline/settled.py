"""What survived earlier dedups, for new texts to be held against: sketches, texts and masks, settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.dedup.normalise import VERSION
from toolkit.errors import RequestError
from toolkit.pipeline.out_folder import MANIFEST
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.masks import Masks
from toolkit.storage import read_json

INDEX = "index"
_AGREE = ("shingle", "scheme", "seed", "threshold", "recall", "slots", "keep", "common", "normalise")


@dataclass(frozen=True)
class Settled:
    """The parts of finished dedups: their stems, what identifies them, and the masks of their groups.

    ``groups[i]`` is added to the groups of part i; the first group of what is new is ``next_group``.
    """

    stems: list[Path]
    keys: list[str]
    groups: list[int]
    masks: Masks
    next_group: int


def settings_data(settings: Dedup, text: str | None) -> dict[str, Any]:
    """The settings of a dedup, as its manifest tells them."""
    return as_data(settings) | {"text": text, "normalise": VERSION}


def read_settled(folders: Sequence[Path], settings: Dedup) -> tuple[Settled, list[str]]:
    """What lies in the folders of earlier dedups, and the hashes of their manifests.

    RequestError for a folder that holds none, or one whose sketches are not comparable.
    """
    stems, keys, groups, digests = [], [], [], []
    paths: dict[int, Path] = {}
    masks: dict[int, str] = {}
    first = 0
    for folder in folders:
        manifest = _manifest(folder, settings)
        names = [folder / INDEX / name for name in manifest["index"]]
        stems += names
        keys += [manifest["sha256"]] * len(names)
        groups += [first] * len(names)
        digests.append(manifest["sha256"])
        for group, sha256 in manifest["masks"].items():
            paths[first + int(group)] = folder / INDEX / mask_name(int(group))
            masks[first + int(group)] = sha256
        first += len(manifest["inputs"])
    return Settled(stems, keys, groups, Masks(paths, masks), first), digests


def mask_name(group: int) -> str:
    """The file of a group's common shingles."""
    return f"mask-{group:05d}.npy"


def _manifest(folder: Path, settings: Dedup) -> Mapping[str, Any]:
    if not (folder / MANIFEST).exists():
        raise RequestError(f"{folder} holds no finished dedup; expected the --out of one.")
    manifest = read_json(folder / MANIFEST)
    if "index" not in manifest:
        raise RequestError(f"{folder} is not the folder of a dedup: its {MANIFEST} names no index.")
    ours = settings_data(settings, None)
    for name in _AGREE:
        theirs = manifest["settings"][name]
        if theirs != ours[name]:
            raise RequestError(
                f"{folder} was made with {name} = {theirs!r}, this is {ours[name]!r}: they must agree to be "
                "comparable. Use the same, or dedup the old survivors again as an input."
            )
    return manifest
