"""The house stands: imports go down only, rooms have names, the environments agree."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    {"errors"},
    {"records", "storage", "kernels"},
    {"archetypes", "ingest", "quality", "dedup", "packing", "online", "cost", "orchestration", "engines"},
    {"pipeline"},
    {"course", "viz", "curator"},
    {"cli"},
    {"__init__", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted((ROOT / "toolkit").rglob("*.py"))


def room_of(path):
    return path.relative_to(ROOT / "toolkit").parts[0].removesuffix(".py")


def imported_rooms(path):
    """Rooms of the toolkit that a module imports, anywhere in it but for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
            if node.module == "toolkit":
                names = [f"toolkit.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("toolkit."):
                yield name.split(".")[1]
            elif name == "toolkit":
                yield "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down_only(path):
    room = room_of(path)
    allowed = {other for other in FLOOR if FLOOR[other] < FLOOR[room]} | {room}
    if room == "cli":
        allowed |= {"__init__"}
    assert set(imported_rooms(path)) <= allowed


def test_the_wings_of_packing_import_down_only():
    floor = {"chat": 0, "fitting": 0, "tokens": 1, "gold": 2, "proving": 2}
    for wing in floor:
        text = "".join(path.read_text() for path in (ROOT / "toolkit" / "packing" / wing).glob("*.py"))
        below = {other for other in floor if floor[other] < floor[wing]} | {wing}
        assert set(re.findall(r"from toolkit\.packing\.(\w+)", text)) <= below, wing


def test_every_room_is_in_the_plan_and_none_is_a_store_cupboard():
    rooms = {room_of(path) for path in MODULES}
    assert rooms <= set(FLOOR)
    assert not rooms & {"utils", "common", "helpers", "misc"}


def test_no_function_is_over_sixty_lines_but_a_kernel():
    long = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno > 60:
                long += [f"{path.name}:{node.name}"] if path.parent.name != "kernels" else []
    assert long == []


def requirements(text):
    return {re.match(r"[\w.-]+", line).group().lower(): line for line in text}


def conda():
    """Package -> (requirement, reason) of environment.yml, read line by line."""
    found = {}
    for line in (ROOT / "environment.yml").read_text().splitlines():
        if match := re.match(r"\s+- ([\w.-]+)([^#:]*?)\s*(?:# (.*))?$", line):
            found[match.group(1).lower()] = (match.group(1) + match.group(2), match.group(3))
    return found


def test_environment_holds_every_core_requirement_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, line in requirements(project["dependencies"]).items():
        lower = re.search(r">=([\d.]+)", line).group(0)
        assert lower in conda()[name][0], name


def test_environment_holds_the_gpu_notebook_and_cluster_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = [*extras["gpu"], *extras["notebooks"], *extras["distributed"], *extras["curator"]]
    names = {re.sub(r"-cuda13x|-cu13", "", name) for name in requirements(wanted)}
    assert names <= set(conda())


def test_environment_has_every_package_of_the_design_with_a_reason():
    design = ["cudf", "cupy", "nemo-curator", "dask-cuda", "jupyterlab", "tokenizers", "matplotlib"]
    assert all(conda()[name][1] for name in design)
    assert all(reason for _, reason in conda().values())


def test_environment_takes_its_channels_in_order():
    text = (ROOT / "environment.yml").read_text()
    assert re.findall(r"- (rapidsai|conda-forge|nvidia)\b", text) == ["rapidsai", "conda-forge", "nvidia"]


def test_constraints_pin_every_requirement_and_name_no_address():
    text = (ROOT / "constraints.txt").read_text()
    pinned = requirements(line for line in text.splitlines() if line and not line.startswith("#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["notebooks"], *extras["distributed"]]
    assert set(requirements(wanted)) <= set(pinned)
    assert "://" not in text


def test_every_topic_has_one_word_in_every_place_it_exists():
    topics = (
        "orientation records pipeline ingest storage engines dedup packing quality orchestration online "
        "cost kernels"
    )
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= {f"{number:02d}_{word}" for number, word in enumerate(topics.split())}


def test_the_summary_stands_a_module_that_skips_itself(tmp_path):
    """A missing extra skips whole modules; the line about cards at the end has to outlive that."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    (tmp_path / "test_card.py").write_text("import pytest\n@pytest.mark.card\ndef test_it(): pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "waited for a card" in done.stdout or "1 on a card" in done.stdout
