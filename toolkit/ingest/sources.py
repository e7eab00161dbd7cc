"""Which files a source has: a file, a folder or a glob, in a stated order.

Files are taken in the byte order of their paths. A folder gives the files of the source's
format at any depth; hidden files are left out.
"""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from toolkit.errors import RequestError
from toolkit.ingest.formats import FORMATS

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
AUTO = ("jsonl", "json", "csv", "tsv", "parquet")  # what a folder gives when no format is named


def expand(base: Path, pattern: str, source: str, form: str = "auto") -> list[tuple[str, Path]]:
    """Files of a source as (name, path): ``pattern`` is a file, a folder or a glob under ``base``.

    ``form`` decides which files of a folder count. Raises FileNotFoundError, with a message for
    people, when there is none, and RequestError when something cannot be read.
    """
    target = base / pattern
    wanted = suffixes(form)
    try:
        if target.is_dir():
            found = [path for path in _walk(target) if path.is_file() and _counts(path, wanted)]
            if not any(target.iterdir()):
                raise FileNotFoundError(f"source {source!r}: the folder {target} is empty.")
        elif target.is_file():
            found = [target]
        elif target.is_fifo():
            raise RequestError(
                f"source {source!r}: {target} is a named pipe and can be read only once. Give it as standard "
                f"input: toolkit ingest - < {shlex.quote(str(target))}"
            )
        else:
            found = [path for path in _glob(base, pattern) if path.is_file()]
    except PermissionError as error:
        raise RequestError(f"source {source!r}: may not read {error.filename or target}.") from error
    if not found:
        raise FileNotFoundError(
            f"source {source!r}: no file at {target}. Expected a file, a folder with "
            f"{' or '.join(wanted[:8])} files, or a glob; paths are relative to the spec."
        )
    named = [(_name(path, base, pattern), path) for path in found]
    for name, _ in named:
        if not _is_utf8(name):
            raise RequestError(f"source {source!r}: the file name {name!r} is not UTF-8. Rename the file.")
    return sorted(named, key=lambda item: item[0].encode())


def suffixes(form: str) -> tuple[str, ...]:
    """The suffixes, before that of a compression, of the files of a format (``auto``: of data formats)."""
    forms = AUTO if form == "auto" else (form,)
    return tuple(suffix for name in forms for suffix in FORMATS[name].suffixes)


def form_of(name: str, form: str = "auto") -> str:
    """The format a file is read as: the one that was declared, else by its suffix, else JSON lines."""
    bare = _bare(name)
    known = (key for key, item in FORMATS.items() if bare.endswith(item.suffixes))
    return next(known, "jsonl") if form == "auto" else form


def _bare(name: str) -> str:
    """The name in lower case without the suffix of a compression."""
    name = name.lower()
    return next((name.removesuffix(end) for end in COMPRESSED if name.endswith(end)), name)


def _counts(path: Path, wanted: tuple[str, ...]) -> bool:
    return _bare(path.name).endswith(wanted) and not path.name.startswith(".")


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names)


def _refuse(error: OSError) -> NoReturn:
    raise error


def _glob(base: Path, pattern: str) -> list[Path]:
    # As in a shell, and unlike Path.glob, a wildcard does not match a leading dot.
    return [base / name for name in set(glob.glob(pattern, root_dir=base, recursive=True))]  # noqa: PTH207


def _name(path: Path, base: Path, pattern: str) -> str:
    return path.as_posix() if Path(pattern).is_absolute() else path.relative_to(base).as_posix()


def _is_utf8(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)
