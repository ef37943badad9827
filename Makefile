# Everything runs in .venv, made on first use from pyproject.toml (ranges) and constraints.txt (exact versions).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Processes that share the tests.
JOBS ?= 2
INSTALL := $(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable

.DEFAULT_GOAL := help
.PHONY: help setup lab demo test check format lint types floors unit browser notebooks pictures report docs links bench clean

help: ## show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.lab ## make the environment, nothing else

lab: setup ## open JupyterLab on the quickstart; ARGS go to JupyterLab
	$(BIN)/rcviz lab $(ARGS)

demo: setup ## the quickstart's work without a notebook, results under runs/demo/
	$(BIN)/rcviz demo

test: $(VENV)/.test ## make the environment and run every check
	$(MAKE) --no-print-directory check

check: format lint types floors ## what CI runs: format, lint, types, import floors, all tests
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

format: $(VENV)/.test
	$(BIN)/ruff format --check

lint: $(VENV)/.test
	$(BIN)/ruff check

types: $(VENV)/.test
	$(BIN)/mypy

floors: $(VENV)/.test ## who may import whom
	$(BIN)/lint-imports

unit: $(VENV)/.test ## the tests without notebooks and browser
	$(BIN)/python -m pytest -m "not notebook and not browser"

browser: $(VENV)/.test ## only the tests in a real browser
	$(BIN)/python -m pytest -m browser

# What widgets were is not kept: it is megabytes, and a page that shows it fetches scripts; pictures stand beside them.
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb paper/notebooks/*.ipynb)
notebooks: $(VENV)/.test ## run the tutorials from a fresh kernel and keep their output; NOTEBOOKS names some
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=900 \
	  --ExecutePreprocessor.store_widget_state=False $(NOTEBOOKS)

pictures: $(VENV)/.test ## make the README's pictures anew
	RCVIZ_PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest -m browser

report: setup ## the page about the paper and the README's verdicts, from the tables in paper/results/
	$(BIN)/python -m paper report --readme README.md

docs: $(VENV)/.test ## the documentation site, under build/docs/; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs build/docs

links: $(VENV)/.test ## ask for every address that the pages link to; needs a network
	$(BIN)/sphinx-build --quiet --keep-going --builder linkcheck docs build/links

bench: $(VENV)/.test ## measure, write benchmarks/results/
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/run.py
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/explorers.py
	$(BIN)/python benchmarks/speed.py

.PHONY: release
release: $(VENV)/.test ## wheel and sdist under dist/, tried in empty environments, with licences, an SBOM and an audit
	$(BIN)/python release/make.py

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rcviz needs Python 3.11 or newer, this is $$($(PYTHON) --version); try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lab: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing rcviz and JupyterLab into $(VENV) (a few minutes the first time)"
	$(INSTALL) ".[lab]"
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing rcviz with its tests into $(VENV) (a few minutes the first time)"
	$(INSTALL) ".[test]"
	@touch $(VENV)/.lab $@
