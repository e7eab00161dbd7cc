"""Parse, call, print. Every verb is the Python function of the same name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import toolkit
from toolkit.cli.show import harmless, show
from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.processes import own_process

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Messy raw dumps in, packed batches out, nothing lost on the way.",
)

Lake = Annotated[Path, typer.Argument(help="The lake's folder.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Workers = Annotated[int | None, typer.Option(help="Processes; default: the cores.", show_default=False)]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu or cuda; default: TOOLKIT_DEVICE, else auto.", show_default=False),
]
GpuMemory = Annotated[
    str | None,
    typer.Option(help="What may be used of a card, such as 20GB; default: most of it.", show_default=False),
]
Cluster = Annotated[str | None, typer.Option(help="A Dask cluster: tcp://… or local:N.", show_default=False)]


@app.command()
def doctor(json: Json = False) -> None:
    """What this machine can do."""
    found = toolkit.doctor()
    show(found, json)
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    records: Annotated[int, typer.Option(help="Lines to write, in all.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write messy raw dumps of all five archetypes, with the planted truth beside them."""
    with _progress(quiet or json).stage("synth", records, 0) as advance:
        written = 0

        def progress(done: int, total: int) -> None:
            nonlocal written
            advance(done - written)
            written = done

        result = toolkit.synth(out, records=records, seed=seed, progress=progress)
    show(result, json)


@app.command()
def run(
    spec: Annotated[Path, typer.Argument(help="The spec, a TOML file.", show_default=False)],
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    gpu_memory: GpuMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sources to bronze to silver to gold; the same command goes on after an interruption."""
    result = toolkit.run(spec, workers, device, cluster, _progress(quiet or json), gpu_memory)
    show(result, json)


@app.command()
def ingest(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders or globs; - is standard input.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The lake's folder, new or to be added to.", show_default=False)],
    source: Annotated[str, typer.Option(help="The source's id, a folder of the lake.")] = "files",
    type: Annotated[str, typer.Option(help="The kind of source.")] = "public_dataset",
    license: Annotated[str | None, typer.Option(help="The licence of records that state none.")] = None,
    format: Annotated[str, typer.Option(help="How files are read; auto: by their suffixes.")] = "auto",
    document: Annotated[
        str, typer.Option(help="Where a document of plain text ends: blank-line, line, file, marker:TEXT.")
    ] = "blank-line",
    require: Annotated[
        list[str] | None, typer.Option(help="A field every record must have: FIELD or FIELD:TYPE.")
    ] = None,
    declared_id: Annotated[str | None, typer.Option(help="The field that holds a record's own id.")] = None,
    compression: Annotated[str | None, typer.Option(help="zst (default), gz or none.")] = None,
    level: Annotated[int | None, typer.Option(help="Of the compression.", show_default=False)] = None,
    shard_mb: Annotated[float | None, typer.Option(help="Input of a shard, in MiB; default: 8.")] = None,
    max_record_mb: Annotated[
        float | None, typer.Option(help="A longer record is set aside, in MiB; default: 16.")
    ] = None,
    max_reject_share: Annotated[
        float | None, typer.Option(help="More rejects than this stop the run, exit 1; default: 1.")
    ] = None,
    date: Annotated[str | None, typer.Option(help="The records' logical date.", show_default=False)] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Land raw files as traced, validated, compressed JSON lines, and nothing more."""
    _begin(paths, workers, cluster, ["ingest"])
    from toolkit.pipeline.spec.tables import Ingest

    sizes = [size for size in (shard_mb, max_record_mb) if size is not None]
    if not all(0 < size < 1024 for size in sizes):
        raise RequestError(f"--shard-mb and --max-record-mb must lie between 0 and 1024, found {sizes}.")
    given = {
        "shard_bytes": None if shard_mb is None else int(shard_mb * 2**20),
        "max_line_bytes": None if max_record_mb is None else int(max_record_mb * 2**20),
        "max_reject_share": max_reject_share,
        "compression": compression,
        "level": level,
    }
    given = {name: value for name, value in given.items() if value is not None}
    settings = Ingest(**given) if given else None  # else those of the lake, or the defaults
    options = (source, type, license, format, document, require or (), declared_id, settings, date)
    show(toolkit.ingest(paths, out, *options, workers, cluster, None, _progress(quiet or json)), json)


@app.command()
def dedup(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders or globs of JSON lines and Parquet.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same dedup.", show_default=False)],
    text: Annotated[
        str | None, typer.Option(help="The field to compare; default: text, else the conversation.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="The share of shingles from which two are one.")] = 0.8,
    recall: Annotated[float, typer.Option(help="The share of such pairs that the sieve must find.")] = 0.995,
    shingle: Annotated[str, typer.Option(help="word:N or byte:N.")] = "word:5",
    against: Annotated[
        list[Path] | None, typer.Option(help="The --out of an earlier dedup: its survivors stay.")
    ] = None,
    keep: Annotated[
        str, typer.Option(help="What is preferred: rank of the input, length, fields of numbers, id.")
    ] = "rank,length,id",
    chains: Annotated[bool, typer.Option(help="Remove whole connected components, for comparison.")] = False,
    common: Annotated[
        float | None,
        typer.Option(help="A shingle in this share of an input is left out; default: 0.1 of conversations."),
    ] = None,
    max_loss: Annotated[float, typer.Option(help="An input that loses more stops the run, exit 1.")] = 1.0,
    slots: Annotated[int, typer.Option(help="The most minima a sketch may have, up to 1024.")] = 128,
    scheme: Annotated[str, typer.Option(help="affine-1; rounds-1 is faster on long texts.")] = "affine-1",
    seed: Annotated[int, typer.Option(help="Of the sketches.")] = 1,
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    gpu_memory: GpuMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove exact and near-duplicates, each with the similarity that was measured."""
    _begin(inputs, workers, cluster)
    options = (text, threshold, recall, shingle, against or (), keep, chains, common, max_loss)
    how = (slots, scheme, seed, workers, cluster, _progress(quiet or json), device, gpu_memory)
    show(toolkit.dedup(inputs, out, *options, *how), json)


@app.command()
def decontaminate(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Parquet or JSON lines: files, folders, globs."),
    ],
    against: Annotated[
        list[str], typer.Option(help="An evaluation set; may be given again.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="A new folder.", show_default=False)],
    text: Annotated[
        str | None,
        typer.Option(help="The field to search; default: text, else messages, else all.", show_default=False),
    ] = None,
    ngram: Annotated[int, typer.Option(help="Words that a shared span must have.")] = 13,
    policy: Annotated[str, typer.Option(help="drop the row, cut a chat before it, or flag it.")] = "drop",
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    gpu_memory: GpuMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take what evaluation sets hold out of plain files, with the spans as evidence."""
    _begin(inputs, workers, cluster)
    options = (text, ngram, policy, workers, cluster, _progress(quiet or json), device, gpu_memory)
    show(toolkit.decontaminate(inputs, against, out, *options), json)


@app.command()
def pack(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Parquet or JSON lines: files, folders, globs."),
    ],
    tokenizer: Annotated[Path, typer.Option(help="A tokenizer.json.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A new folder.", show_default=False)],
    context: Annotated[int, typer.Option(help="Tokens of a pack.")] = 4096,
    template: Annotated[
        str,
        typer.Option(
            help="chatml, gemma, llama-3, mistral, qwen, zephyr, a Jinja file or a tokenizer_config.json."
        ),
    ] = "chatml",
    method: Annotated[
        str,
        typer.Option(help="fewest packs, or balanced in attention; or one of toolkit.packing.METHODS."),
    ] = "fewest",
    over: Annotated[
        str,
        typer.Option(help="What is too long: drop it, truncate_left, truncate_right or split it."),
    ] = "drop",
    regime: Annotated[str, typer.Option(help="sft, preference, rl, or auto: by a record's shape.")] = "auto",
    workers: Workers = None,
    cluster: Cluster = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tokenize, mask and pack conversations: gold that a trainer reads."""
    _begin(inputs, workers, cluster)
    options = (context, template, method, over, regime, workers, cluster, _progress(quiet or json))
    show(toolkit.pack(inputs, tokenizer, out, *options), json)


@app.command("audit-masks")
def audit_masks(
    templates: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEMPLATE]...", help="Ready templates or files; default: all ready ones."),
    ] = None,
    json: Json = False,
) -> None:
    """Score ways of masking on awkward conversations: which invariants break, on how many."""
    found = toolkit.audit_masks(templates or ())
    show(found, json)
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def audit(lake: Lake, json: Json = False) -> None:
    """Prove that nothing was lost: recompute every ledger from the files."""
    found = toolkit.audit(lake)
    show(found, json)
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def trace(
    lake: Lake,
    record: Annotated[
        str, typer.Argument(metavar="ID", help="An id, a prefix of one, or PATH:LINE of a source.")
    ],
    json: Json = False,
) -> None:
    """One record's journey, every hop; or where and why it ended."""
    show(toolkit.trace(lake, record), json)


@app.command()
def quarantine(
    lake: Lake,
    action: Annotated[
        str, typer.Argument(help="list; export lines to edit; replay those that were repaired.")
    ] = "list",
    fixed: Annotated[Path | None, typer.Option("--with", help="The repaired lines, for replay.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this code, or its first part.")] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    limit: Annotated[int, typer.Option("--show", help="Lines to show.")] = 5,
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Count what was set aside, by reason, and show some of it; or send repaired lines through again."""
    from toolkit.pipeline.quarantine import export, replay

    if action not in ("list", "export", "replay") or (action == "replay") != (fixed is not None):
        raise RequestError(
            f"{action!r}: expected list, export, or replay with --with FILE; see toolkit quarantine --help."
        )
    if action == "export":
        for line in export(lake, reason, source):
            print(line)
    elif fixed is not None:
        show(replay(lake, fixed, workers, device, cluster, _progress(quiet or json)), json)
    else:
        show(toolkit.quarantine(lake, reason, source, limit), json)


@app.command()
def forget(
    lake: Lake,
    source: Annotated[str | None, typer.Option(help="Forget this source.")] = None,
    license: Annotated[str | None, typer.Option(help="Forget every record under this licence.")] = None,
    ids: Annotated[Path | None, typer.Option(help="Forget the ids in this file, one a line.")] = None,
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove a source, a licence or some ids from every layer, and rebuild what depended on them."""
    wanted = _ids(ids) if ids else ()
    progress = _progress(quiet or json)
    show(toolkit.forget(lake, source, license, wanted, workers, device, cluster, progress), json)


@app.command()
def report(lake: Lake) -> None:
    """Write the HTML report again and print its path."""
    print(toolkit.report(lake))


def main() -> None:
    """Run the command line; errors a user can cause become one message and an exit code."""
    own_process()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's other threads would only wait, and turn
    try:
        code = app(standalone_mode=False) or 0
        if code == 130:  # the command-line library has caught the interrupt itself
            raise KeyboardInterrupt
        sys.exit(code)
    except ToolkitError as error:
        _stop(f"error: {error}", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _stop("interrupted; finished parts are kept: run the same command again to go on.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _stop(f"error: {error.strerror or error}: {error.filename or 'a file of the request'}.", 1)
    except Exception as error:
        _stop(_usage(error) or _raise(error), 2)


def _usage(error: Exception) -> str | None:
    """The message of a wrong command line, else None."""
    message = getattr(error, "format_message", None)
    return f"error: {message()} Try: toolkit --help" if message else None


def _raise(error: Exception) -> Any:
    raise error


def _stop(message: str, code: int) -> None:
    print(harmless(message), file=sys.stderr)
    sys.exit(code)


def _progress(quiet: bool) -> Any:
    from toolkit.pipeline.progress import for_people

    return for_people(quiet)


def _begin(paths: Any, workers: int | None, cluster: str | None, stages: list[str] | None = None) -> None:
    """Let other processes import what they need while this one does."""
    from toolkit.pipeline.processes import STAGES, start_early

    start_early(paths, workers, cluster, stages=stages or STAGES)


def _ids(path: Path) -> list[str]:
    try:
        found = path.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read the ids in {path}: {error}.") from error
    if not found:
        raise RequestError(f"{path} names no id; expected one a line.")
    return found
