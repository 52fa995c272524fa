# Everything a fresh machine needs is git, make and Python 3.11 or newer. Each target sets itself up.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3 python,$(shell \
	$(name) -c 'import sys, ensurepip; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
WORKERS ?= 2

.PHONY: help demo test check bench docs setup clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

demo: $(VENV)/.lean ## from phantom chest scans to a model, judged and explained: ends by itself in three to four minutes
	$(BIN)/isocenter demo

test: check ## the whole check: style, types, architecture, tests, coverage, skips
	rm -f .coverage .coverage.*
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term --strict-skips

check: $(VENV)/.dev ## everything but the tests
	$(BIN)/python tools/check.py

bench: $(VENV)/.dev ## how fast, how much memory, and 20,000 damaged files
	$(BIN)/python -m benchmarks
	$(BIN)/python tools/fuzz.py --count 20000

docs: $(VENV)/.dev ## make the reference pages, check every link, run every example
	$(BIN)/python tools/docs.py
	$(BIN)/python tools/docs.py --check
	$(BIN)/pytest -q tests/test_docs.py

setup: $(VENV)/.dev ## the environment for work on Isocenter

clean: ## everything that can be made again, the environment included
	rm -rf $(VENV) demo build dist benchmarks/results .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	find src tests tools benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: python3-venv). Install it, or name it: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The demo needs the lean core alone.
$(VENV)/.lean: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.lean
