"""What becomes of the torture files: kept, padded, changed, lost, refused or crashed, tool by tool.

Each file is read in a process of its own, with a time limit. Records are compared with what the file
was made of, as multisets of exact values: an integer is no float, 0.0 is no -0.0, a text is no date;
floats are compared as the doubles they are, cells of a table as texts. Ours are compared byte for
byte. Of the good records

    kept + padded + changed + lost + refused + crashed = all

``padded``: the only difference is null under a key that was absent (a file of which that is all still
counts as right). ``lost``: missing, although the reader raised nothing (it may have logged), or a row of
NULLs. ``refused``: an exception, so that no record of the file is there. Of the bad ones: ``passed on``
in some form among the good, ``dropped`` without an exception.
"""

from __future__ import annotations

import datetime
import math
import multiprocessing
import pickle
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.ingest_peers import READERS, exact_json
from tests.ingest.torture import CASES, Case

LIMIT_SECONDS = 30
RECURSION = 20_000  # levels that the comparison may need: a file of ours has 1,000 levels of brackets
PRELOAD = (
    "toolkit.pipeline.stages.ingest",
    "datatrove.pipeline.readers",
    "duckdb",
    "polars",
    "pandas",
    "pyarrow.json",
    "pyarrow.csv",
)
OUTCOMES = ("kept", "padded", "changed", "lost", "refused", "crashed")
BAD = ("passed_on", "dropped")
MARKS = ("<!-- torture -->", "<!-- /torture -->")
_NOTHING = ("{", frozenset())  # a row of NULLs: what stood there is lost, not changed
Outcome = dict[str, Any]


def torture(tools: Sequence[str] = tuple(READERS)) -> dict[str, Any]:
    """{reader: {"setting", "version", "date", "totals", "cases"}}; one that is not installed says so."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *PRELOAD])
    sys.setrecursionlimit(RECURSION)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in tools:
            reader = READERS[name]
            if find_spec(reader.package) is None:
                found[name] = {"setting": reader.setting, "missing": f"{reader.package} is not installed"}
                continue
            cases = {case.name: _one(context, name, case, Path(folder)) for case in CASES}
            about = {"setting": reader.setting, "version": _version(reader.package), "date": _today()}
            found[name] = about | {"totals": totals(cases), "cases": cases}
            print(f"  {name}: {found[name]['totals']}", file=sys.stderr)
    return found


def _version(package: str) -> str:
    import toolkit

    return toolkit.__version__ if package == "toolkit" else version(package)


def _today() -> str:
    return datetime.date.today().isoformat()


def totals(cases: dict[str, Outcome]) -> dict[str, int]:
    """Sums over all cases, and how many cases were handled without any loss, change or refusal."""
    sums = {key: sum(case[key] for case in cases.values()) for key in (*OUTCOMES, *BAD)}
    return sums | {
        "cases": len(cases),
        "right": sum(cell(case) == "ok" or _only_padded(case) for case in cases.values()),
        "hit": sum(case["lost"] + case["changed"] > 0 for case in cases.values()),
    }


def _only_padded(case: Outcome) -> bool:
    return not case["error"] and not any(case[key] for key in (*OUTCOMES[2:], *BAD)) and "differs" not in case


def cell(outcome: Outcome) -> str:
    """One case and one reader in a few words."""
    if outcome["crashed"] or outcome["refused"] or outcome["error"]:
        return ("crashed: " if outcome["crash"] else "refused: ") + outcome["error"].split(":")[0]
    said = [f"{name.replace('_', ' ')} {outcome[name]}" for name in (*OUTCOMES[1:4], *BAD) if outcome[name]]
    return ", ".join(said) or outcome.get("differs") or "ok"


def table(found: dict[str, Any]) -> str:
    """The totals as Markdown."""
    head = ("tool", "version", "files right", "files bent", *OUTCOMES, "bad passed on")
    rows = [head, ("---", "---", *["---:"] * (len(head) - 2))]
    for name, reader in found.items():
        if "missing" in reader:
            rows.append((name, "not installed", *[""] * (len(head) - 2)))
            continue
        sums = reader["totals"]
        counts = (sums["right"], sums["hit"], *(sums[key] for key in OUTCOMES), sums["passed_on"])
        rows.append((name, reader["version"], *(f"{count:,}" for count in counts)))
    return _markdown(rows)


def write_readme(path: Path, recorded: dict[str, Any], source: str) -> None:
    """Put the table of what was ``recorded`` in the file ``source`` between the marks in ``path``."""
    before, _, rest = path.read_text().partition(MARKS[0])
    _, mark, after = rest.partition(MARKS[1])
    if not mark:
        raise SystemExit(f"{path} has no {MARKS[0]} ... {MARKS[1]}")
    path.write_text(f"{before}{MARKS[0]}\n{readme_block(recorded, source)}\n{mark}{after}")


def readme_block(recorded: dict[str, Any], source: str) -> str:
    """The table with what there is to know of it: when, where, which files weigh most, the settings."""
    found, on = recorded["found"], recorded["machine"]
    dates = sorted({reader["date"] for reader in found.values() if "date" in reader})
    total = sum(len(case.kept) for case in CASES)
    heavy = [case for case in CASES if len(case.kept) * 10 > total]
    most = " and ".join(f'"{case.name}" ({len(case.kept):,})' for case in heavy)
    settings = [f"- {name}: {reader['setting']}" for name, reader in found.items()]
    intro = (
        f"`python -m benchmarks.ingest --torture --readme`, {' and '.join(dates)}, {on['cpu']}, Python "
        f"{on['python']}; file by file in `{source}`. {len(CASES)} files with {total:,} good records, of "
        f"which {len(heavy)} files hold most: {most}. So compare files before records."
    )
    return "\n".join([intro, *_ours_wrong(found), "", table(found), "", "Settings:", "", *settings])


def _ours_wrong(found: dict[str, Any]) -> list[str]:
    """A line that names the files that we do not handle as it is written down, if there are any."""
    cases = found.get("toolkit", {}).get("cases", {})
    wrong = [f"{name} ({cell(case)})" for name, case in cases.items() if cell(case) != "ok"]
    return ["", f"Not right with us: {', '.join(wrong)}."] if wrong else []


def case_table(found: dict[str, Any]) -> str:
    """Every case under every reader as Markdown."""
    readers = {name: reader for name, reader in found.items() if "cases" in reader}
    rows = [("file", "good", "bad", *readers), ("---", "---:", "---:", *["---"] * len(readers))]
    for case in CASES:
        cells = (cell(reader["cases"][case.name]) for reader in readers.values())
        rows.append((case.name, f"{len(case.kept):,}", str(_bad(case)), *cells))
    return _markdown(rows)


def judge(case: Case, got: list[Any]) -> Outcome:
    """Compare what a peer delivered with what the file was made of."""
    wanted = Counter(canonical(exact_json(payload)) for payload in case.kept)
    found = Counter(got)
    exact = (wanted & found).total()
    wanted, found = wanted - found, found - wanted
    bare_wanted, bare_found = _bare(wanted), _bare(found)
    padded = (bare_wanted & bare_found).total()
    missing, extra = (bare_wanted - bare_found).total(), bare_found - bare_wanted
    spared = _bare(Counter(canonical(exact_json(payload)) for payload in case.allowed))
    delivered = (extra & spared).total()
    extra -= spared
    changed = min(missing, extra.total() - extra[_NOTHING] - extra[None])
    passed = extra.total() - changed
    return _outcome(
        kept=exact,
        padded=padded,
        changed=changed,
        lost=missing - changed,
        passed_on=passed,
        dropped=max(0, _bad(case) - passed - delivered),
    )


def judge_ours(case: Case, kept: list[bytes], aside: list[tuple[str, bytes]]) -> Outcome:
    """Compare our payloads byte for byte, and our reasons with those that are written down."""
    if not case.exact:
        kept, case_kept = [_tight(p) for p in kept], [_tight(p) for p in case.kept]
    else:
        case_kept = list(case.kept)
    wanted, found = Counter(case_kept), Counter(kept)
    missing, extra = (wanted - found).total(), (found - wanted).total()
    changed = min(missing, extra)
    outcome = _outcome(
        kept=(wanted & found).total(), changed=changed, lost=missing - changed, passed_on=extra - changed
    )
    reasons = Counter(reason for reason, _ in aside)
    stated = Counter(dict(case.aside))
    right = reasons.keys() == stated.keys() and reasons >= stated if case.pieces else reasons == stated
    if not right:
        outcome["differs"] = f"set aside {dict(reasons)}, not {dict(stated)}"
    elif kept != case_kept and not missing and not extra:
        outcome["differs"] = "another order"
    return outcome


def cells(row: Any) -> Any:
    """A row of a table as the texts it was made of: 1 for "1" is no change, nor is NULL for ""."""
    if not isinstance(row, dict):
        return row
    return {key: "" if canonical(value) is None else str(value) for key, value in row.items()}


def canonical(value: Any) -> Any:
    """A value that can be compared and hashed, its type included; keys in any order."""
    if isinstance(value, dict):
        return ("{", frozenset((str(key), canonical(inner)) for key, inner in value.items()))
    if hasattr(value, "tolist"):
        value = value.tolist()  # a numpy scalar or array
    if isinstance(value, list | tuple):
        return ("[", tuple(canonical(inner) for inner in value))
    if isinstance(value, float):
        return None if math.isnan(value) else ("float", repr(value))
    if value is None or isinstance(value, str):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return (type(value).__name__, repr(value))


def _bare(values: Counter[Any]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for value, count in values.items():
        found[_without_nulls(value)] += count
    return found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, tuple) and value[0] == "{":
        kept = ((key, _without_nulls(inner)) for key, inner in value[1] if inner is not None)
        return ("{", frozenset(kept))
    if isinstance(value, tuple) and value[0] == "[":
        return ("[", tuple(_without_nulls(inner) for inner in value[1]))
    return value


def _tight(payload: bytes) -> bytes:
    """A payload without the spaces between its tokens."""
    import re

    return re.sub(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', lambda found: found.group(1) or b"", payload)


def _one(context: Any, name: str, case: Case, folder: Path) -> Outcome:
    """Run one reader on one case in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path, out = Path(place, "f" + case.suffix), Path(place, "out.pickle")
        path.write_bytes(case.data)
        process = context.Process(target=_child, args=(name, str(path), str(out)))
        process.start()
        process.join(LIMIT_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            return _failed(case, "crashed", f"time: over {LIMIT_SECONDS} s")
        if not out.exists():
            return _failed(case, "crashed", _ending(process.exitcode))
        error, got = pickle.loads(out.read_bytes())
    if error:
        return _failed(case, "refused", error)
    return judge_ours(case, *got) if name == "toolkit" else judge(case, got)


def _child(name: str, path: str, out: str) -> None:
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable()
    sys.setrecursionlimit(RECURSION)
    try:
        got = READERS[name].read(Path(path))
        if name != "toolkit":
            table = ".csv" in path or ".tsv" in path
            got = [canonical(cells(row) if table else row) for row in got]
        result = (None, got)
    except BaseException as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ == "PanicException"]
        result = (f"{(kinds or [type(error).__name__])[0]}: {str(error)[:200]}", None)
    partial = Path(out + ".part")
    partial.write_bytes(pickle.dumps(result))
    partial.rename(out)


def _ending(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit {code}"


def _failed(case: Case, how: str, error: str) -> Outcome:
    return _outcome(**{how: len(case.kept)}) | {"error": error, "crash": how == "crashed"}


def _outcome(**counts: int) -> Outcome:
    return dict.fromkeys((*OUTCOMES, *BAD), 0) | counts | {"error": "", "crash": False}


def _bad(case: Case) -> int:
    return sum(count for _, count in case.aside)


def _markdown(rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
