# Every target sets up what it needs in .venv first; PYTHON chooses the interpreter.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PACKAGE := $(VENV)/.package
TOOLS := $(VENV)/.tools

.PHONY: help setup setup-browser demo test test-lowest check check-ui kills mutants format benchmark clean

help:
	@echo "make demo       set up, carry labels through a made-up video, say where the result is"
	@echo "make test       set up, run the tests"
	@echo "make test-lowest  the same with the lowest versions that are allowed, in .venv-lowest"
	@echo "make kills      commands that are killed anywhere, 60 times, and told to end (ten minutes)"
	@echo "make mutants    small changes of the code: which does no test notice? (an hour)"
	@echo "make check      format, lint, types and tests: what a change must pass"
	@echo "make setup-browser  a Chromium and Playwright, for the tests of the page (Debian, Ubuntu)"
	@echo "make check-ui   the page's modules: their tests and types (needs Node)"
	@echo "make format     format the code"
	@echo "make benchmark  speed and memory, against a dense reference"
	@echo "make clean      remove .venv and caches"

setup: $(TOOLS)

$(PACKAGE): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "pixelkin needs Python 3.11 or later on the PATH"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (once, a few minutes)"
	@$(INSTALL) -e .
	@touch $@

$(TOOLS): $(PACKAGE) tests/interop/light.txt
	@echo "adding tools and what tests need (once, a minute)"
	@$(INSTALL) -e '.[app,dev,dlc,interop]'
	@$(INSTALL) --no-deps -r tests/interop/light.txt
	@touch $@

demo: $(PACKAGE)
	$(BIN)/pixelkin demo --out out/demo --overwrite

test: $(TOOLS)
	$(BIN)/python -m pytest

LOWEST := .venv-lowest
test-lowest:
	@test -d $(LOWEST) || $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet -c constraints-lowest.txt \
	  -e '.[app,train,plots]' pytest hypothesis httpx POT
	$(LOWEST)/bin/python -m pytest

kills: $(TOOLS)
	$(BIN)/python tests/soak/kills.py

mutants: $(TOOLS)
	$(BIN)/python tests/soak/mutants.py --wide

check: $(TOOLS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

setup-browser: $(TOOLS)
	@$(INSTALL) -e '.[browser]'
	@command -v chromium chromium-browser || apt-get install -y --no-install-recommends chromium fonts-dejavu-core

check-ui:
	@if ! command -v node >/dev/null; then echo "check-ui: skipped, as Node is missing"; else \
	  cd tests/app/page && node --test && npm install --silent --no-audit --no-fund && npx tsc -p .; fi

format: $(TOOLS)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(TOOLS)
	$(BIN)/python benchmarks/propagation.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/overlap.py

clean:
	rm -rf $(VENV) .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis
