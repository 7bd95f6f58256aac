# Every target sets up what it needs in .venv first; PYTHON chooses the interpreter.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PACKAGE := $(VENV)/.package
TOOLS := $(VENV)/.tools
# A process for each core, but four at most, as each needs up to 2 GB; the tests of a file stay in one.
TESTS := -m pytest -n logical --maxprocesses 4 --dist loadfile \
  --no-loadscope-reorder
APT := $(if $(filter 0,$(shell id -u)),,sudo -n) env DEBIAN_FRONTEND=noninteractive apt-get -q
CHROMIUM := -y --no-install-recommends chromium fonts-dejavu-core

.PHONY: help setup setup-browser demo test test-lowest test-install check check-ui docs docs-serve \
	soak kills mutants licences format benchmark clean

help:
	@echo "make demo       set up, carry labels through a made-up video, say where the result is"
	@echo "make test       set up, run the tests"
	@echo "make test-lowest  the same with the lowest versions that are allowed, in .venv-lowest"
	@echo "make test-install  wheel and sdist in empty environments, versions lowest and newest"
	@echo "make kills      commands that are killed anywhere, 60 times, and told to end (ten minutes)"
	@echo "make mutants    small changes of the code: which does no test notice? (an hour)"
	@echo "make check      format, lint, types and tests: what a change must pass"
	@echo "make setup-browser  a Chromium and Playwright, for the tests of the page (Debian, Ubuntu)"
	@echo "make check-ui   the page's modules: their tests and types (needs Node)"
	@echo "make docs       these pages, Python and the command line as a site: out/site/index.html"
	@echo "make docs-serve  the same, served until it is stopped"
	@echo "make soak       damaged and hostile inputs by the thousand (half an hour)"
	@echo "make licences   the licences of all that pixelkin needs"
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
	@$(INSTALL) -e '.[app,dev,dlc,docs,interop]'
	@$(INSTALL) --no-deps -r tests/interop/light.txt
	@touch $@

demo: $(PACKAGE)
	$(BIN)/pixelkin demo --out out/demo --overwrite

test: $(TOOLS)
	$(BIN)/python $(TESTS)

LOWEST := .venv-lowest
test-lowest:
	@test -d $(LOWEST) || $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet -c constraints-lowest.txt \
	  -e '.[app,dlc,onnx,pose,train,plots]' pytest pytest-xdist hypothesis httpx POT
	$(LOWEST)/bin/python $(TESTS)

test-install: $(TOOLS)
	$(BIN)/python tests/install.py

kills: $(TOOLS)
	$(BIN)/python tests/soak/kills.py

mutants: $(TOOLS)
	$(BIN)/python tests/soak/mutants.py --wide

check: $(TOOLS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python $(TESTS)

# Where neither can be had, the tests of the page in a browser are left out: no failure.
setup-browser: $(TOOLS)
	@$(INSTALL) -e '.[browser]' || \
	  echo "setup-browser: Playwright cannot be installed, so tests in a browser are left out"
	@command -v chromium || command -v chromium-browser || $(APT) install $(CHROMIUM) || \
	  { $(APT) update && $(APT) install $(CHROMIUM); } || \
	  echo "setup-browser: no Chromium can be installed here, so tests in a browser are left out"

check-ui:
	@if ! command -v node >/dev/null; then \
	  echo "check-ui: left out, as Node is missing"; exit 0; fi; \
	cd tests/app/page && node --test && \
	if npm install --silent --no-audit --no-fund; then npx tsc -p .; \
	else echo "check-ui: types are not checked, as npm cannot install TypeScript"; fi

docs: $(TOOLS)
	$(BIN)/python docs/make_site.py
	$(BIN)/zensical build --clean --strict

docs-serve: $(TOOLS)
	$(BIN)/python docs/make_site.py
	$(BIN)/zensical serve

soak: $(TOOLS)
	$(BIN)/python tests/soak/bad_inputs.py

licences: $(TOOLS)
	$(BIN)/python tests/licences.py

format: $(TOOLS)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(TOOLS)
	$(BIN)/python benchmarks/propagation.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/overlap.py

clean:
	rm -rf $(VENV) .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache
