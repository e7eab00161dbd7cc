"""Every error a user can cause, in one tree.

    ToolkitError            exit 1   something a user can act on
    ├── RequestError        exit 2   the request was wrong: a spec, a path, an option
    ├── GateError           exit 1   a gate or a conservation check failed; nothing was published
    └── MissingExtra        exit 2   an optional package is needed; the message holds the install line

A message says what was found, where, what was expected, and what to do next.
The command line prints it without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations


class ToolkitError(Exception):
    """Base of every error the toolkit raises on purpose."""

    exit_code = 1


class RequestError(ToolkitError):
    """The request itself is wrong: fix the spec, the path or the option."""

    exit_code = 2


class GateError(ToolkitError):
    """A gate or a conservation check failed, so nothing was published."""


class MissingExtra(RequestError):
    """A feature needs an optional package that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}': in the toolkit's folder, pip install -e '.[{extra}]'"
        )
        self.feature, self.extra = feature, extra

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.feature, self.extra)
