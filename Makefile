# All of it works from a fresh clone with Python 3.11 or later, make and git: what else is needed
# goes into .venv, once, and again when setup.cfg or pyproject.toml change.

PYTHON ?= python3
# Some tests wait for others: three processes keep two cores busy.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) '*' 3 / 2)
BIN := .venv/bin
READY := .venv/ready

.PHONY: help demo test coverage check lint types docs bench stress clean

help:
	@echo 'make demo    order, follow, download and clean a small data cube; no account is needed'
	@echo 'make test    run the tests'
	@echo 'make coverage  run them with branch coverage, which takes a third longer'
	@echo 'make check   lint, types, tests and documentation'
	@echo 'make docs    build the documentation into docs/_build/html'
	@echo 'make bench   run the benchmarks'
	@echo 'make stress  run the long randomized tests'
	@echo 'make clean   delete what these commands made'

$(READY): setup.cfg pyproject.toml cedar/_version.py
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	    "cedar needs Python 3.11 or later: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[check]'
	@touch $@

demo: $(READY)
	$(BIN)/cedar demo

test: $(READY)
	$(BIN)/python -m pytest -m 'not stress' -n $(WORKERS) --dist worksteal

coverage: $(READY)
	$(BIN)/python -m pytest -m 'not stress' -n $(WORKERS) --dist worksteal --cov

check: lint types test docs

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy --strict

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -n -b html docs docs/_build/html

bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[check,bench]'
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

stress: $(READY)
	HYPOTHESIS_PROFILE=stress $(BIN)/python -m pytest -m stress -n auto --timeout 3600

clean:
	rm -rf .venv build dist demo docs/_build *.egg-info .coverage .coverage.* htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find cedar schemas config tests docs -name __pycache__ -type d -prune -exec rm -rf {} +
