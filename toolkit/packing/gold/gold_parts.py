"""Which gold files may be read, and whether they belong together.

A folder of gold is parts, part-00000.parquet and on, each with a manifest that was written after it.
A file that no manifest names is what a kill left behind or what somebody put there: it is not read,
and it is said. What a manifest names must be there, whole; and all parts must mean the same by a
token: one tokenizer, one template, one context, as their metadata say.

A manifest's paths count from the lake, but gold is copied to where the training is, without the lake.
So a part is looked for beside its manifest, by its name alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import RequestError, ToolkitError
from toolkit.packing.gold.gold import GOLD_PREFERENCE, GOLD_RL, GOLD_SFT
from toolkit.storage import Output, PartManifest, digest_json, read_json, sha256_file

SCHEMAS = {"sft": GOLD_SFT, "preference": GOLD_PREFERENCE, "rl": GOLD_RL}
_MANIFEST = ".manifest.json"
_PART = re.compile(r"part-(\d{5,})\.parquet")


@dataclass(frozen=True)
class Part:
    """One gold file: where it is, its sha256 as its manifest says, its rows."""

    path: Path
    sha256: str
    rows: int


@dataclass(frozen=True)
class Gold:
    """A folder of gold: its regime, its parts by number, what their numbers mean, what was left alone."""

    folder: Path
    regime: str
    parts: tuple[Part, ...]
    metadata: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Hex sha256 that tells this gold from any other: of the sha256 of its parts, in order."""
        return digest_json([part.sha256 for part in self.parts])


def gold_parts(folder: str | Path, verify: bool = False) -> Gold:
    """Find the gold that the manifests of a folder (``lake/gold/sft``, or a copy of it) vouch for.

    Sizes and rows are compared always, contents (sha256) with ``verify``. Where the folder lies in a
    finished lake, its MANIFEST.json must name the same parts. Raises RequestError for a folder without
    gold, ToolkitError for a part that is missing, damaged or of another make than the first.
    """
    folder = Path(folder)
    named = [_named(path) for path in sorted(folder.glob(f"part-*{_MANIFEST}"))]
    outputs = {output.name: output for output in (_in_folder(o) for one in named for o in one) if output}
    if not outputs:
        raise RequestError(
            f"{folder} has no gold: no part-*{_MANIFEST} there names a Parquet part. "
            "Give the folder of one regime, as lake/gold/sft."
        )
    names = sorted(outputs, key=lambda name: outputs[name].number)
    _expect_all(folder, names, outputs)
    parts = tuple(_checked(folder / name, outputs[name].output, verify) for name in names)
    regime, metadata = _one_meaning(parts)
    present = {path.name for path in folder.glob("*.parquet")}
    return Gold(folder, regime, parts, metadata, tuple(sorted(present - set(outputs))))


@dataclass(frozen=True)
class _Named:
    name: str
    number: int
    output: Output


def _named(path: Path) -> list[Output]:
    manifest = PartManifest.read(path)
    if manifest is None:
        raise ToolkitError(f"{path} is not a manifest: it is damaged. Copy it again, or run the lake again.")
    return list(manifest.outputs)


def _in_folder(output: Output) -> _Named | None:
    found = _PART.fullmatch(PurePosixPath(str(output.path)).name)
    return _Named(found.group(), int(found.group(1)), output) if found else None


def _expect_all(folder: Path, names: list[str], outputs: Mapping[str, _Named]) -> None:
    """Parts are numbered from 0 without a gap, and are those that a finished lake says it has."""
    numbers = [outputs[name].number for name in names]
    if numbers != list(range(len(numbers))):
        first = next((i for i, number in enumerate(numbers) if number != i), len(numbers))
        raise ToolkitError(
            f"{folder}: part {first} is missing of {len(numbers)} parts up to {names[-1]}. "
            "Copy the whole folder, manifests included."
        )
    root = folder.resolve().parent.parent / "MANIFEST.json"
    if folder.resolve().parent.name != "gold" or not root.is_file():
        return
    files = {file["path"]: file["sha256"] for file in read_json(root)["files"]}
    prefix = f"gold/{folder.resolve().name}/"
    said = {path: sha for path, sha in files.items() if path.startswith(prefix) and path.endswith(".parquet")}
    if said != {prefix + name: outputs[name].output.sha256 for name in names}:
        raise ToolkitError(
            f"{folder} has {len(names)} parts and {root} names {len(said)}, or others: "
            "the lake was changed after it was finished. Run it again, or toolkit audit says what differs."
        )


def _checked(path: Path, output: Output, verify: bool) -> Part:
    try:
        size = path.stat().st_size
        rows = pq.read_metadata(path).num_rows if size == output.size else -1
    except (OSError, pa.ArrowException) as error:
        raise ToolkitError(f"{path}: its manifest names it and it cannot be read: {error}.") from None
    if size != output.size or rows != output.rows:
        raise ToolkitError(
            f"{path} has {size} bytes and its manifest says {output.size} bytes, {output.rows} rows: "
            "it was cut short or replaced. Copy it again, or run the lake again."
        )
    if verify and sha256_file(path) != output.sha256:
        raise ToolkitError(f"{path}: its bytes are not those its manifest names (sha256 {output.sha256}).")
    return Part(path, output.sha256, rows)


def _one_meaning(parts: tuple[Part, ...]) -> tuple[str, dict[str, str]]:
    """The regime and the metadata that all parts have in common; ToolkitError if they have not."""
    regime, metadata = _meaning(parts[0].path)
    for part in parts[1:]:
        other, found = _meaning(part.path)
        for key in sorted(metadata | found):
            if metadata.get(key) != found.get(key):
                raise ToolkitError(
                    f"{part.path}: {key} is {found.get(key)!r} and in {parts[0].path.name} "
                    f"{metadata.get(key)!r}: parts of different runs do not mix. Run the lake again."
                )
        if other != regime:
            raise ToolkitError(f"{part.path} holds {other} and {parts[0].path.name} {regime}.")
    return regime, metadata


def _meaning(path: Path) -> tuple[str, dict[str, str]]:
    schema = pq.read_schema(path)
    for regime, wanted in SCHEMAS.items():
        if all(
            field.name in schema.names and schema.field(field.name).type == field.type for field in wanted
        ):
            said = schema.metadata or {}
            return regime, {key.decode(): value.decode() for key, value in said.items()}
    raise ToolkitError(f"{path} is no gold: its columns are {', '.join(schema.names)}.")
