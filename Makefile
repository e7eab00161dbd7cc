# The same commands for people and for CI. PYTHON may name any Python from 3.11 to 3.13.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?= dev
READY := $(VENV)/.ready-$(EXTRAS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint lab notebooks clean

demo: $(READY)  ## make messy dumps, run the main job on them, audit the result
	$(BIN)/toolkit doctor
	@rm -rf demo
	$(BIN)/toolkit synth demo/dumps --records 50000
	$(BIN)/toolkit run demo/dumps/spec.toml
	$(BIN)/toolkit audit demo/dumps/lake
	@echo "report: $(CURDIR)/demo/dumps/lake/report.html"

test: $(READY) lint  ## pass the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: $(READY)  ## open the notebooks
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[notebooks]'
	$(BIN)/jupyter lab notebooks

notebooks: $(READY)  ## run the notebooks again, outputs in place
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[notebooks]'
	TOOLKIT_STATIC=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
	    --ExecutePreprocessor.coalesce_streams=True --ClearMetadataPreprocessor.enabled=True \
	    '--ClearMetadataPreprocessor.preserve_nb_metadata_mask={"kernelspec", ("language_info", "name")}' \
	    notebooks/*.ipynb

clean:
	rm -rf $(VENV) demo

# A change of the requirements or of the extras installs again; the stamp is written last.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
