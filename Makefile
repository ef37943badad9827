# Everything runs in .venv, made on first use from pyproject.toml (ranges) and constraints.txt (exact versions).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Processes that run the tests: one more than cores, as those of browsers and notebooks wait.
JOBS ?= 3
# pip shows each package and a bar for each download, also where the Makefile runs without a terminal.
INSTALL := $(BIN)/pip install --disable-pip-version-check --no-compile --constraint constraints.txt --editable
# pip would compile on one core; some packages hold files that are not Python.
COMPILE := $(BIN)/python -m compileall -qq --workers 0 $(VENV)/lib || true

.DEFAULT_GOAL := help
.PHONY: help setup lab demo test check format lint types floors unit browser soak notebooks pictures report docs links \
  lowest newest bench bench-newcomer bench-contributions bench-growth bench-palindromes bench-paper windows numbers release clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(VENV)/.lab ## make the environment

lab: setup ## open JupyterLab with the quickstart and print its address; ARGS="--no-browser --port 8890" on a cluster
	$(BIN)/rcviz lab $(ARGS)

demo: setup ## run the quickstart without a notebook; results in runs/demo/
	$(BIN)/rcviz demo

test: $(VENV)/.test ## make the environment and run every check
	$(MAKE) --no-print-directory check

# Types are checked beside the tests, which leave room for it while they wait.
# With PYTHONDONTWRITEBYTECODE set, every process that the tests start would compile rcviz anew.
check: format lint floors ## run what CI runs: format, lint, types, imports, all tests
	$(BIN)/mypy & types=$$!; \
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "not soak" --numprocesses $(JOBS) --dist loadfile; tests=$$?; \
	wait $$types && exit $$tests

format: $(VENV)/.test
	$(BIN)/ruff format --check
	$(BIN)/biome format

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/biome lint --error-on-warnings

types: $(VENV)/.test
	$(BIN)/mypy

floors: $(VENV)/.test ## check which package imports which
	$(BIN)/lint-imports

unit: $(VENV)/.test ## run the tests without notebooks, browser and long tests
	$(BIN)/python -m pytest -m "not notebook and not browser and not long and not soak"

browser: $(VENV)/.test ## run the tests in a browser
	$(BIN)/python -m pytest -m browser

soak: $(VENV)/.test ## run the long reliability tests (hours); MINUTES of fuzzing for each reader
	$(BIN)/python tests/reliability/kill_jobs.py --kills 120 --record
	$(BIN)/python tests/reliability/interrupts.py --moments 1000 --record
	$(BIN)/python tests/reliability/sweeps_at_once.py --record
	$(BIN)/python tests/reliability/properties.py --record
	$(BIN)/python tests/reliability/fuzz.py --minutes $(or $(MINUTES),10)
	$(BIN)/python tests/reliability/stream.py --record
	$(BIN)/python tests/motifs/test_memelite.py
	$(BIN)/python -m pytest -m soak
	$(BIN)/python benchmarks/reliability_tables.py

# The state of widgets is not saved: it takes megabytes, and pages would fetch scripts to show it. Pictures show them.
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb paper/notebooks/*.ipynb)
notebooks: $(VENV)/.test ## run the tutorials and save their output; NOTEBOOKS chooses some
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=900 \
	  --ExecutePreprocessor.store_widget_state=False $(NOTEBOOKS)
	$(BIN)/python release/small_pictures.py $(NOTEBOOKS)

pictures: $(VENV)/.test ## take the pictures of README and docs again
	RCVIZ_PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest -m browser

report: setup ## write the page about the paper and the README's verdicts from paper/results/
	$(BIN)/python -m paper report --readme README.md

docs: $(VENV)/.test ## build the documentation site in build/docs/; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs build/docs

links: $(VENV)/.test ## check the links of the site; needs a network
	$(BIN)/sphinx-build --quiet --keep-going --builder linkcheck docs build/links

bench: $(VENV)/.test ## measure speed, start and explorers, and write docs/performance.md
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/names.py
	$(BIN)/python benchmarks/busy.py
	$(BIN)/python benchmarks/mutagenesis.py
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/explorers.py
	test -d build/peers/equirc || $(BIN)/pip install --quiet --no-deps --target build/peers equirc==1.0.0
	$(BIN)/python benchmarks/speed.py --peers build/peers
	$(BIN)/python benchmarks/tables.py

bench-newcomer: $(VENV)/.test ## measure what a newcomer waits for, and two real chromosomes from ../shared/data where they are
	$(BIN)/python benchmarks/newcomer.py
	$(BIN)/python benchmarks/tables.py

bench-growth: $(VENV)/.test ## measure how time and memory grow with the data, and draw it
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/growth_picture.py
	$(BIN)/python benchmarks/tables.py

bench-palindromes: $(VENV)/.test ## measure how often palindrome verdicts are right
	$(BIN)/python benchmarks/palindromes.py
	$(BIN)/python benchmarks/palindromes_trained.py

bench-contributions: $(VENV)/.test ## compare contributions with knock-outs, and filters with each other, for docs/explanation/
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/contributions_knockouts.py
	$(BIN)/python benchmarks/contributions_tables.py
	$(BIN)/python benchmarks/redundancy.py

bench-paper: windows ## measure the costs of an epoch and of Figure 3
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/epoch_costs.py --data runs/windows
	$(BIN)/python benchmarks/whole_job.py

windows: $(VENV)/.test ## make the paper's data of Figures 4 to 7 in runs/windows/, from ../shared/data
	$(BIN)/python benchmarks/paper_windows.py

numbers: $(VENV)/.test ## record numbers of fixed seeds in build/numbers.npz; AGAINST compares with another version's
	mkdir -p build
	$(BIN)/python benchmarks/same_numbers.py build/numbers.npz $(if $(AGAINST),--against $(AGAINST))

lowest: $(VENV)/bin/python ## try the lowest versions that pyproject.toml allows; ONLY chooses folders of tests
	$(BIN)/python release/versions.py lowest $(if $(ONLY),--only $(ONLY))

newest: $(VENV)/bin/python ## try the newest versions, without constraints.txt; ONLY chooses folders of tests
	$(BIN)/python release/versions.py newest $(if $(ONLY),--only $(ONLY))

release: $(VENV)/.test ## build and try wheel and sdist in dist/, with licences, an SBOM and an audit
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
	@$(COMPILE)
	@echo "installed; make lab opens the quickstart"
	@touch $@

# marimo and voila are hosts of explorers that only tests in a browser need, of the versions in constraints.txt.
$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing rcviz with its tests into $(VENV) (a few minutes the first time)"
	$(INSTALL) ".[test]" marimo voila
	@$(COMPILE)
	@touch $(VENV)/.lab $@
