"""The report: one HTML file that tells what a run did, readable anywhere and offline.

Records are text that somebody else wrote, so three things stand between them and the page:
every value is escaped, every control and direction character is shown as its code, and the
page's own policy forbids scripts and every request.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from toolkit.pipeline.report import charts as report_charts
from toolkit.pipeline.report.facts import collect
from toolkit.storage import write_atomic

NAME = "report.html"
_TEMPLATE = Path(__file__).with_name("page.html.jinja")
# Controls, lone surrogates, and what changes direction or hides; tab, line end and the two joiners stay.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def report(lake: Path) -> Path:
    """Write ``report.html`` into a finished lake, atomically, and return its path.

    Raises RequestError when ``lake`` is not a finished lake.
    """
    lake = Path(lake)
    page = _environment().from_string(_TEMPLATE.read_text(encoding="utf-8")).render(collect(lake))
    write_atomic(lake / NAME, page.encode())
    return lake / NAME


def visible(text: str) -> str:
    r"""Show hidden characters as their codes, so that no text can disguise itself: ``\u202e``."""
    return _HIDDEN.sub(_code, text)


def _code(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        autoescape=True, finalize=_finalize, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "n": _count,
        "pct": _percent,
        "size": _bytes,
        "sec": _seconds,
        "quote": shlex.quote,
    }
    environment.globals |= {
        "bar": report_charts.bar,
        "histogram": report_charts.histogram,
        "lengths": report_charts.lengths,
    }
    return environment


def _finalize(value: Any) -> Any:
    """What every expression of the template passes through before it is escaped."""
    if value is None:
        return "–"
    return type(value)(visible(value)) if isinstance(value, str | Markup) else value


def _count(value: float) -> str:
    return f"{value:,}"


def _percent(share: float) -> str:
    """A share as a percentage; what is not all and not nothing is never rounded to it."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:,} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"
