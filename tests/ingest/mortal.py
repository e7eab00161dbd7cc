"""A process that starts runs of ``toolkit ingest`` in no time, and kills them at a given moment.

Importing takes longer than landing a small world, so this process imports once, lands once, and
then forks: each run is a child with a session of its own. It is sent one JSON object a line and
answers with one:

    {"world": folder, "stream": name or null, "workers": 2, "delay": 0.1 or null, "whom": "group"}
    {"end": "killed", "published": false, "seconds": 0.1, "left": 0, "message": ""}

``delay`` null lets the run end. ``whom`` is ``group`` or ``parent``: then its workers must leave by
themselves, and ``left`` counts those that did not.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.pipeline.processes import die_with_parent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingest import worlds

PATIENCE = 10  # seconds within which a dead run's workers must be gone


def land(world, stream, workers):
    """One run, in this process and its workers."""
    os.chdir(world)
    with ExitStack() as stack:
        pool = None
        if workers > 1:
            context = multiprocessing.get_context("fork")
            pool = stack.enter_context(ProcessPoolExecutor(workers, context, die_with_parent))
        if stream is None:
            worlds.land(workers, executor=pool)
        else:
            pipe = subprocess.Popen(["cat", f"streams/{stream}"], stdout=subprocess.PIPE).stdout
            worlds.land_stream(stack.enter_context(pipe), workers, executor=pool)


def child(ready, errors, *what):
    """The life of a run that nobody kills: 0, 1 with an expected error, 3 with any other."""
    os.setsid()
    os.write(ready, b"!")
    try:
        land(*what)
        os._exit(0)
    except ToolkitError as error:
        os.write(errors, str(error).encode())
        os._exit(1)
    except BaseException:
        os.write(errors, traceback.format_exc()[-3000:].encode())
        os._exit(3)


def start(world, stream, workers, **_):
    """Start a run; its id, and where its message can be read."""
    (ready, say_ready), (message, say) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        child(say_ready, say, world, stream, workers)
    os.close(say_ready)
    os.close(say)
    os.read(ready, 1)
    os.close(ready)
    return pid, message


def end(pid, delay, whom):
    """Kill a run after its delay, or let it end; how it ended."""
    if delay is not None:
        time.sleep(delay)
        with suppress(ProcessLookupError):
            (os.killpg if whom == "group" else os.kill)(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def session(leader):
    """Living processes of the session that ``leader`` started."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(folder.name))
    return found


def left(leader):
    """How many of a run's processes are still there when they have had their time."""
    deadline = time.monotonic() + PATIENCE
    while (found := session(leader)) and time.monotonic() < deadline:
        time.sleep(0.001)
    return len(found)


def serve():
    """Answer until there are no more requests."""
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        pid, message = start(**request)
        code = end(pid, request["delay"], request["whom"])
        answer = {
            "end": "killed" if code < 0 else {0: "done", 1: "refused"}.get(code, "broken"),
            "published": (Path(request["world"]) / "lake" / "MANIFEST.json").exists(),
            "seconds": time.perf_counter() - started,
            "left": left(pid),
        }
        with os.fdopen(message, "rb") as file:
            answer["message"] = file.read().decode()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    land(sys.argv[1], None, 1)  # what is loaded at first use is then loaded in every child
    serve()
