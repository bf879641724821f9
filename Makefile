# make run   a first campaign, from a bare clone      make test   everything this machine allows
# make check the linters and type checks              make clean  forget the environment
.PHONY: setup docker chromium torch run test fast check screenshots bench clean
PYTHON ?= python3
ARCHIVE ?= $(or $(METASEARCH_ARCHIVE),.metasearch/archive.db)
BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

run: setup
	@echo "== examples/circle_packing: pack 26 circles, with the offline model =="
	@mkdir -p $(dir $(ARCHIVE))
	$(BIN)/metasearch run examples/circle_packing --archive $(ARCHIVE)
	$(BIN)/metasearch best circle_packing --archive $(ARCHIVE)

test: setup docker chromium torch
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	.ci/tests

fast: setup
	$(BIN)/pytest -m "not slow"

check: setup
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

screenshots: setup chromium
	$(BIN)/python -m docs.screenshots

setup: .venv/.ready metasearch/archive metasearch/sandboxes metasearch/web
	@command -v bwrap >/dev/null || { echo "== installing bubblewrap (the sandbox) =="; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq bubblewrap >/dev/null; } || \
	  { echo "bubblewrap is missing and could not be installed; run: apt-get install bubblewrap"; exit 3; }

# Only root can install and start Docker; others use the daemon that there is.
docker:
	@[ "$$(id -u)" != 0 ] || .ci/docker_base || echo "no Docker here: its tests will be skipped"

chromium:
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || { \
	  echo "== installing chromium (for the tests of the web) =="; apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	} || echo "no Chromium here: its tests will be skipped"

# Of a fixed version, so that pip takes the small wheel for processors where one is offered.
torch: setup
	@$(BIN)/python -c 'import importlib.util as u; raise SystemExit(not u.find_spec("torch"))' || { \
	  echo "== installing torch (for the tests of the examples with networks) =="; \
	  $(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0; \
	} || echo "no torch here: its tests will be skipped"

.venv/.ready: pyproject.toml
	@echo "== setting up .venv (about a minute, once) =="
	@$(PYTHON) -m venv .venv 2>/dev/null || { \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv >/dev/null; \
	  rm -rf .venv; $(PYTHON) -m venv .venv; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# For type checkers, which do not know setuptools' mapping of the top-level rooms.
metasearch/archive metasearch/sandboxes metasearch/web:
	ln -sfn ../$(notdir $@) $@

clean:
	rm -rf .venv .metasearch build dist *.egg-info
