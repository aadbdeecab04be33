# Every target does its own set-up, once: a fresh machine needs Python 3.11 or newer and make.
#
# On Linux, PyPI's torch brings CUDA along. Nothing here needs it, and with
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# in the environment pip takes the small one.
#
# Broker tests run on a genuine Apache Kafka where there is a way to one (README, "Tests");
# REGRADE_TEST_BROKER=embedded make test-only runs them on the embedded broker.

VENV := .venv
BIN := $(VENV)/bin
# The first that runs and is new enough; a pyenv shim may be there and still not run.
find_python = for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done
PYTHON ?= $(shell $(find_python))
TORCH := torch==2.13.0
# ARGS are for the command: make demo ARGS="--units 50", make test-only ARGS="-x".
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DELETE_ON_ERROR:
.PHONY: help demo test test-only lint format clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.demo  ## watch 300 simulated laptops being decided, on an embedded broker
	@$(BIN)/regrade demo $(ARGS)

test: lint test-only  ## everything that must be green: lint, then all tests on a genuine Kafka where there is one

test-only: $(VENV)/.dev  ## the tests alone
	$(BIN)/pytest -n 3 --dist worksteal -m "not chaos" $(ARGS)
	$(BIN)/pytest -n 2 --dist loadgroup -m chaos

lint: $(VENV)/.dev  ## style, types (strict), layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment, caches and build outputs
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- set-up: made once, and again when the dependencies change --------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "regrade needs Python 3.11 or newer; install it, or say: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; \
		exit 1; }

# torch by itself first: the package takes a range, a checkout has one version for everybody.
$(VENV)/.torch: Makefile | $(BIN)/python
	@echo "Setting up $(VENV) (once; a minute or a few)"
	$(BIN)/python -m pip install --quiet $(TORCH)
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install --quiet --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install --quiet --editable '.[embedded,dev]'
	@touch $@ $(VENV)/.demo
