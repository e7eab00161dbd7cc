from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install nbformat nbclient ipykernel")
nbclient = pytest.importorskip("nbclient", reason="pip install nbformat nbclient ipykernel")
pytest.importorskip("ipykernel", reason="pip install nbformat nbclient ipykernel")

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_orientation.ipynb"
SECONDS_A_CELL = (
    120  # on an idle machine the longest takes ten; the first run after a change compiles kernels
)
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(committed, tmp_path_factory):
    """The notebook run in a folder that is not the repository's, as a reader with a kernel runs it."""
    fresh = nbformat.from_dict({**committed})
    for cell in code(fresh):
        cell.outputs = []
    folder = tmp_path_factory.mktemp("elsewhere")
    client = nbclient.NotebookClient(
        fresh,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TOOLKIT_STATIC", raising=False)
        return client.execute()


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def mimes(cell) -> set[str]:
    return {mime for output in cell.outputs for mime in output.get("data", {})}


def texts(cell) -> str:
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)


def said(notebook) -> str:
    return "\n".join(texts(cell) for cell in code(notebook))


def test_it_runs_top_to_bottom_from_any_folder_without_an_error(executed):
    kinds = {output.output_type for cell in code(executed) for output in cell.outputs}
    assert "error" not in kinds
    assert [cell.execution_count for cell in code(executed)] == list(range(1, len(code(executed)) + 1))


def test_it_warns_of_nothing(executed):
    assert [o.text for cell in code(executed) for o in cell.outputs if o.get("name") == "stderr"] == []


def test_what_is_committed_is_what_a_run_prints(committed, executed):
    pairs = zip(code(committed), code(executed), strict=True)
    changed = [old.id for old, new in pairs if texts(old) != texts(new) and VIEW not in mimes(new)]
    assert changed == [], (
        f"execute the notebook again and commit it; these cells print something else: {changed}"
    )


def test_the_controls_appear_where_a_kernel_runs(executed):
    pytest.importorskip("ipywidgets", reason="pip install ipywidgets")
    assert [cell.id for cell in code(executed) if VIEW in mimes(cell)] == ["knob-turned"]


def test_it_is_committed_with_outputs_and_pictures(committed):
    silent = [cell.id for cell in code(committed) if not cell.outputs]
    assert silent == ["clean-up"]
    assert sum("image/png" in mimes(cell) for cell in code(committed)) == 2


def test_it_is_committed_without_widget_state_or_traces_of_an_execution(committed):
    assert "widgets" not in committed.metadata
    assert not any(VIEW in mimes(cell) for cell in code(committed))
    assert {str(dict(cell.metadata)) for cell in committed.cells} == {"{}"}


def test_it_names_no_folder_of_the_machine_that_ran_it(committed):
    places = {tempfile.gettempdir(), str(Path.home()), str(NOTEBOOK.parents[1])} - {"/"}
    page = "\n".join(str(output) for cell in code(committed) for output in cell.outputs if "data" in output)
    assert [place for place in places if f"{place}/" in page + said(committed)] == []


def test_the_file_is_a_valid_notebook(committed):
    nbformat.validate(committed)
