# Two commands matter: `make book` and `make test`. Each makes .venv when it is missing.
.DEFAULT_GOAL := help
.PHONY: help book test check serve notebooks benchmark lint lint-scripts lock clean distclean
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
NPM_BIN := tests/javascript/node_modules/.bin
INSTALLED := $(VENV)/.installed
# make book TORCH_INDEX=https://download.pytorch.org/whl/cpu takes PyTorch's smaller CPU build
TORCH_INDEX ?=
PIP := $(RUN) -m pip --disable-pip-version-check install
LOCK_COMMAND := uv pip compile pyproject.toml --universal --python-version 3.11 \
	--extra book --extra test --output-file requirements.txt --upgrade

# Nothing a page or a test does may reach out.
export HF_HUB_OFFLINE := 1
export PYTHONHASHSEED := 0

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: $(INSTALLED)  ## run every chapter and build the site into _build/html
	@$(VENV)/bin/jupyter-book build . --warningiserror --nitpick --keep-going
	@echo "The book is in $(CURDIR)/_build/html/index.html"

test: $(INSTALLED)  ## run the tests of the package
	@$(RUN) -m pytest --numprocesses auto

check: $(INSTALLED)  ## open every page of the built site in Chromium and look for faults
	@LMTUTOR_REQUIRE_SITE=1 LMTUTOR_REQUIRE_BROWSER=1 $(RUN) -m pytest -m site --numprocesses auto tests

serve: $(INSTALLED)  ## show the built site on http://localhost:8000
	@test -f _build/html/index.html || { echo "There is no site yet: run 'make book' first." >&2; exit 1; }
	@$(RUN) -m http.server --bind localhost --directory _build/html 8000

notebooks: $(INSTALLED)  ## make the notebook beside each chapter, and the README's links to them
	@$(RUN) book/_tools/notebooks.py

benchmark: $(INSTALLED)  ## time the package against its peers, in one run
	@$(RUN) benchmarks/run.py

lint: $(INSTALLED)  ## check style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

lint-scripts:  ## check style and types of the JavaScript (needs Node and npm)
	@cd tests/javascript && npm ci --silent --no-audit --no-fund
	@$(NPM_BIN)/eslint --config tests/javascript/eslint.config.mjs lmtutor/widgets/playground tests/javascript/*.js
	@$(NPM_BIN)/tsc --project tests/javascript/tsconfig.json

lock: $(INSTALLED)  ## compile requirements.txt from pyproject.toml
	@$(PIP) --quiet uv
	@$(RUN) -m $(LOCK_COMMAND) --quiet

clean:  ## remove what a build leaves
	@rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find lmtutor tests book -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove the virtual environment as well
	@rm -rf $(VENV) tests/javascript/node_modules

$(INSTALLED): requirements.txt requirements-data.txt pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
	  echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name yours: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lmtutor needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (some minutes the first time) ..."
	@{ $(PIP) --quiet --requirement requirements.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
	  && $(PIP) --quiet --no-deps --require-hashes --requirement requirements-data.txt \
	  && $(PIP) --quiet --no-deps --no-build-isolation --editable . ; } || { \
	  echo "" >&2; \
	  echo "The installation failed; pip says why above. If it could not reach a package index, check the" >&2; \
	  echo "network or name a mirror (PIP_INDEX_URL=https://...) and run the same command again." >&2; exit 1; }
	@touch $@
