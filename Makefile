# Two commands matter: `make serve` and `make test`.  Both work on a machine that has only Python 3.11+, make and git:
# they build a virtual environment of their own in .venv from the hash-locked requirements/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
UI := ui/node_modules
# Node comes with the packages that tests need, so that no machine has to have it.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm

# Compiled on all cores: pip does it on one, and packages hold a few files that are for other Pythons.
define install
@$(BIN)/python -m pip install -q --no-compile --require-hashes --only-binary :all: -r $(1)
@$(BIN)/python -m compileall -q -q -j 0 $(VENV)/lib || true
endef

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without what it has compiled, each of the many processes of a test run compiles cloche anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve test check check-ui ui browser fix bench docs screenshots prices lock clean

help: ## Say what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.serve ## Install, fetch the default model, serve it; pass flags with ARGS='--port 8081'
	@$(BIN)/cloche serve $(ARGS)

test: ## Install what tests need, check the code and run every test; pytest flags with ARGS='-k name'
	@$(MAKE) --no-print-directory -j 3 check check-ui browser
	$(BIN)/python -m pytest -n 4 --dist loadfile --ignore tests/ui $(ARGS)
	@# By themselves: Playwright keeps an event loop running in its process, which asyncio's tests do not bear.
	$(BIN)/python -m pytest -n 3 --dist loadfile tests/ui $(ARGS) $(if $(ARGS),|| [ $$? = 5 ])

check: $(VENV)/.dev ## Format, lint, types and import layers, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > $(VENV)/imports.log 2>&1 || (cat $(VENV)/imports.log; exit 1)

check-ui: $(UI)/.installed ## Types and tests of the pages, and whether the built ones are what ui/ makes
	cd ui && $(NPM) run -s check && $(NPM) run -s test
	cd ui && $(NPM) run -s build -- --logLevel warn --outDir ../.cache/pages
	@diff -r .cache/pages src/cloche/http/pages > /dev/null \
	  || { echo "src/cloche/http/pages is not what ui/ makes: run 'make ui' and commit it"; exit 1; }

ui: $(UI)/.installed ## Build the pages of the browser into src/cloche/http/pages
	cd ui && $(NPM) run -s check && $(NPM) run -s build -- --logLevel warn

browser: ## Install the browser that tests of the pages drive, where that is possible
	@for each in $$CLOCHE_TEST_BROWSER chromium chromium-browser google-chrome google-chrome-stable; do \
	  command -v $$each > /dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing Debian's Chromium"; apt-get update -qq && apt-get install -y -qq chromium > /dev/null 2>&1 && exit 0; fi; \
	echo "No browser: tests of the pages will be skipped. Install Chromium (Debian, as root: apt-get install chromium)."

fix: $(VENV)/.dev ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Measure cloche against nginx and the peers that are installed (docs/performance.md)
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.dev ## Make the generated pages of docs/ again
	$(BIN)/python docs/generate.py

screenshots: $(VENV)/.dev browser ## Take the pictures of the pages again (docs/images/pages); names with ARGS='endpoints usage'
	$(BIN)/python docs/screenshots.py $(ARGS)

prices: ## Take the newest prices of models from PyPI's genai-prices into the package
	$(PYTHON) -m venv $(VENV)-prices
	$(VENV)-prices/bin/pip install -q genai-prices
	$(VENV)-prices/bin/python docs/generate_prices.py
	rm -r $(VENV)-prices

lock: ## Make requirements/*.txt again from pyproject.toml (needs uv)
	uv pip compile -q pyproject.toml requirements/build.in --extra bedrock --extra local --extra postgres \
	  --extra valkey --universal --generate-hashes --python-version 3.11 --custom-compile-command 'make lock' \
	  -o requirements/serve.txt
	uv pip compile -q pyproject.toml requirements/build.in --all-extras --group dev --universal \
	  --generate-hashes --python-version 3.11 --custom-compile-command 'make lock' \
	  -c requirements/serve.txt -o requirements/dev.txt

clean: ## Remove the virtual environment and everything that was built; models and ~/.cloche stay
	rm -rf $(VENV) $(UI) .cache/pages .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "cloche needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 …"; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements/serve.txt pyproject.toml | $(BIN)/python
	@echo "Installing cloche and what it needs to serve (about 20 packages)"
	$(call install,requirements/serve.txt)
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing cloche and what its tests need (about 90 packages)"
	$(call install,requirements/dev.txt)
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.serve

$(UI)/.installed: ui/package-lock.json | $(VENV)/.dev
	@echo "Installing what the pages are built with (about 80 packages of npm)"
	@cd ui && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
