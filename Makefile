# `make` lists the targets. Each creates what it needs; the first run installs into $(VENV).

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 4 # some tests wait more than they work
PYTEST ?= pytest<9

BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
ARGUMENTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo clinic test test-all spark plugin check format lint types contracts docs docs-check screenshot fixtures new bench wheel clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

demo: $(INSTALLED) ## Build a data set with known faults, scan it, write demo/report.html
	@$(BIN)/python -m fixtures.demo

clinic: $(INSTALLED) ## Take every patient from the symptom to the verdict; write clinic.html
	@$(BIN)/doctor clinic --page clinic.html $(ARGUMENTS)

test: $(INSTALLED) ## Run the tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGUMENTS)

spark: $(INSTALLED) ## Compare all patients on DuckDB and on a Spark cluster on this machine
	$(BIN)/python -m tests.spark.parity $(ARGUMENTS)

test-all: $(INSTALLED) ## Run the tests with every case of each
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --all-cases $(ARGUMENTS)

plugin: $(INSTALLED) ## Run the plugin's tests under another pytest: make plugin PYTEST='pytest<9'
	rm -rf $(VENV)/other
	$(BIN)/pip install --quiet --no-deps --target $(VENV)/other '$(PYTEST)'
	PYTHONPATH=$(CURDIR)/$(VENV)/other $(BIN)/python -m pytest tests/test_pytest_plugin.py $(ARGUMENTS)

check: lint types contracts docs-check test ## Everything that must hold before a commit is handed on

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(INSTALLED) ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED) ## Check types
	$(BIN)/mypy

contracts: $(INSTALLED) ## Check which folder imports which
	$(BIN)/lint-imports

docs: $(INSTALLED) ## Write the manual pages and the report's schema into docs/
	$(BIN)/python docs/generate.py

docs-check: $(INSTALLED) ## Check that docs/ is what `make docs` writes
	$(BIN)/python docs/generate.py --check

screenshot: $(INSTALLED) ## Take the README's pictures of the demonstration's report
	$(BIN)/python -m docs.screenshot

fixtures: $(INSTALLED) ## Write fixtures anew from their generators; ARGUMENTS=family/name for one patient
	$(BIN)/python -m fixtures.regenerate $(ARGUMENTS)

new: $(INSTALLED) ## Scaffold a check: make new CHECK=family/name
	$(BIN)/python scaffold/new_check.py '$(CHECK)'

bench: $(INSTALLED) ## Measure scan time and memory against a plain read and a peer
	$(BIN)/python bench/scan_table.py $(ARGUMENTS)

wheel: $(INSTALLED) ## Build the wheel into dist/
	rm -rf build dist # what an earlier build left would go into this one
	$(BIN)/python -m build --wheel

clean: ## Remove what the targets made
	rm -rf $(VENV) build dist demo clinic.html *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
