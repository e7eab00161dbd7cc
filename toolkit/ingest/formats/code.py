"""A source file as one record: its path, its language by suffix, its text exactly as it is.

Text that is not UTF-8, or holds a NUL byte, is refused: nothing is guessed and nothing replaced.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from toolkit.ingest.formats.whole import body, cut, framed, nothing, read_utf8
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Span

__all__ = ["LANGUAGES", "SUFFIXES", "cut", "frames", "language_of"]

LANGUAGES = {
    ".asm": "assembly",
    ".s": "assembly",
    ".bash": "shell",
    ".sh": "shell",
    ".zsh": "shell",
    ".fish": "fish",
    ".ps1": "powershell",
    ".bat": "batch",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".cu": "cuda",
    ".cuh": "cuda",
    ".cs": "csharp",
    ".fs": "fsharp",
    ".vb": "visual-basic",
    ".go": "go",
    ".rs": "rust",
    ".zig": "zig",
    ".nim": "nim",
    ".d": "d",
    ".swift": "swift",
    ".m": "objective-c",
    ".mm": "objective-cpp",
    ".java": "java",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".scala": "scala",
    ".groovy": "groovy",
    ".clj": "clojure",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".vue": "vue",
    ".css": "css",
    ".scss": "scss",
    ".dart": "dart",
    ".php": "php",
    ".py": "python",
    ".pyi": "python",
    ".pyx": "cython",
    ".rb": "ruby",
    ".pl": "perl",
    ".pm": "perl",
    ".lua": "lua",
    ".r": "r",
    ".jl": "julia",
    ".f90": "fortran",
    ".hs": "haskell",
    ".ml": "ocaml",
    ".mli": "ocaml",
    ".ex": "elixir",
    ".exs": "elixir",
    ".erl": "erlang",
    ".lisp": "lisp",
    ".el": "lisp",
    ".scm": "scheme",
    ".sql": "sql",
    ".proto": "protobuf",
    ".tf": "terraform",
    ".cmake": "cmake",
    ".v": "verilog",
    ".sv": "systemverilog",
    ".vhd": "vhdl",
    ".sol": "solidity",
}
SUFFIXES = tuple(sorted(LANGUAGES))

_PACKED = {".gz", ".zst", ".bz2", ".xz"}


def language_of(name: str) -> str | None:
    """The language of a file by its suffix, whatever its case, compressed or not; None if unknown."""
    path = PurePosixPath(name)
    path = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    return LANGUAGES.get(path.suffix.lower())


def frames(data: bytes, span: Span, options: Options) -> Frames:
    """One record ``{"path", "language", "text"}``; a file of nothing but a byte-order mark has none."""
    raw = body(data, span)
    if not raw:
        return nothing({"bom": len(data)} if data else {})
    text = read_utf8(raw)
    if isinstance(text, tuple):
        return framed(raw, span, text)
    return framed(raw, span, {"path": options.name, "language": language_of(options.name), "text": text})
