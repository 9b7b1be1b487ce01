# All of it works from a fresh clone with Python 3.11 or later, make and git: what else is needed
# goes into .venv, once, and again when setup.cfg or pyproject.toml change.

PYTHON ?= python3
# Some tests wait for others: three processes keep two cores busy.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) '*' 3 / 2)
BIN := .venv/bin
READY := .venv/ready
STEMS := .venv-stems
# What is imported is compiled then: all of it takes half a minute more.
PIP := python -m pip install --quiet --disable-pip-version-check --no-compile

# Where the environment forbids to keep what is compiled, as in many a container, each of hundreds of
# processes would compile all of cedar, and each worker rewrite every test.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help ready demo test test-stems coverage check lint types docs bench stress hooks clean

help:
	@echo 'make demo    order, follow, download and clean a small data cube; no account is needed'
	@echo 'make test    run the tests'
	@echo 'make test-stems  exchange grids with stems, which needs the headers of GDAL'
	@echo 'make coverage  run the tests with branch coverage, which takes a third longer'
	@echo 'make check   lint, types, tests and documentation'
	@echo 'make lint    ruff, for style and form'
	@echo 'make types   mypy, strict'
	@echo 'make docs    build the documentation into docs/_build/html'
	@echo 'make bench   run the benchmarks'
	@echo 'make stress  run the long randomized tests'
	@echo 'make hooks   have git run lint and types before each commit'
	@echo 'make clean   delete what these commands made'

$(READY): setup.cfg pyproject.toml cedar/_version.py
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	    "cedar needs Python 3.11 or later: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/$(PIP) --editable '.[check]'
	@touch $@

ready: $(READY)

demo: $(READY)
	$(BIN)/cedar demo

test: $(READY)
	$(BIN)/python -m pytest -m 'not stress' -n $(WORKERS) --dist worksteal

# stems builds a gdal of exactly the version whose headers are there: an environment of its own.
test-stems:
	@if ! command -v gdal-config > /dev/null; then \
	    echo 'NOT RUN: stems needs the headers of GDAL, and a compiler. On Debian and Ubuntu:'; \
	    echo '    apt-get install libgdal-dev g++ python3-dev && make test-stems'; \
	else $(MAKE) --no-print-directory $(STEMS)/ready && \
	    $(STEMS)/bin/python -m pytest -p no:cacheprovider tests/exchange_with_stems.py; fi

$(STEMS)/ready: setup.cfg cedar/_version.py
	$(PYTHON) -m venv $(STEMS)
	$(STEMS)/bin/$(PIP) --editable '.[stems,test]' "gdal==$$(gdal-config --version)"
	@touch $@

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
	$(BIN)/$(PIP) --editable '.[check,bench]'
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

stress: $(READY)
	HYPOTHESIS_PROFILE=stress $(BIN)/python -m pytest -m stress -n auto --timeout 3600

hooks: $(READY)
	$(BIN)/$(PIP) pre-commit
	$(BIN)/pre-commit install

clean:
	rm -rf .venv $(STEMS) build dist demo docs/_build *.egg-info .coverage .coverage.* htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find cedar schemas config tests docs -name __pycache__ -type d -prune -exec rm -rf {} +
