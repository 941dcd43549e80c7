# Each target works alone on a fresh clone: it makes .venv and installs first. PYTHON=python3.12 picks another Python.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-slow lint format clean

demo: $(INSTALLED)
	$(BIN)/diffmpm run sphere_to_rabbit --output outputs/sphere_to_rabbit

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow and not gpu"

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch is named first so that pip looks for the pinned build before it meets torch as another package's wish.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -c constraints.txt torch -e ".[test,dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info outputs
