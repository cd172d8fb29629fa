# Two commands are enough: `make run` and `make test`. Each sets itself up first.
#
# Needs Python 3.11+, pip and make. Packages are installed by uv, from versions pinned with hashes in
# requirements/. Where uv is missing, pip brings it, pinned too, into .uv/ here: `pip install --target` asks
# neither for the venv module nor for leave to change the system's Python (PEP 668), and Debian often refuses
# both. uv makes the virtual environment by itself.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# CrewAI cannot be installed beside openai-agents and mcp 2: what needs it has an environment of its own.
CREWAI := .venv-crewai
CREWAI_STAMP := $(CREWAI)/.installed
CREWAI_CODE = $(wildcard src/bailiwick/adapters/crewai/*.py tests/crewai/*.py tests/frameworks/harness_crewai.py \
              examples/crewai/*.py bench/frameworks/crewai.py)
UV     ?= $(shell command -v uv || echo .uv/bin/uv)
CODE   := src tests examples $(wildcard bench)

# Never fetch an interpreter, never complain of a container's root user.
export UV_PYTHON_DOWNLOADS := never
export PIP_ROOT_USER_ACTION := ignore
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

.PHONY: help setup run test check format docs bench soak lock clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(STAMP) ## install into .venv (quick when nothing changed); the tests also want .venv-crewai and make it

.uv/bin/uv: requirements/bootstrap.txt
	@$(PYTHON) -m pip --version >/dev/null || { \
	  echo "make: neither uv nor pip is here. Install one of them (Debian: apt install python3-pip)." >&2; exit 1; }
	@rm -rf .uv
	@echo "Fetching uv into .uv/ ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target .uv \
	  -r requirements/bootstrap.txt
	@touch $@

# Without its interpreter (interrupted setup, system Python replaced) the environment is made anew.
ifneq ($(shell test -x $(BIN)/python && echo there),there)
.PHONY: $(STAMP)
endif

ifneq ($(shell test -x $(CREWAI)/bin/python && echo there),there)
.PHONY: $(CREWAI_STAMP)
endif

# (1) which requirements, (2) which environment
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: bailiwick needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 setup" >&2; exit 1; }
	@test -x $(2)/bin/python || UV_VENV_CLEAR=1 $(UV) venv --quiet --python $(PYTHON) $(2)
	@echo "Installing into $(2)/ ..."
	@VIRTUAL_ENV=$(CURDIR)/$(2) $(UV) pip sync --quiet --require-hashes $(1)
	@VIRTUAL_ENV=$(CURDIR)/$(2) $(UV) pip install --quiet --no-deps --build-constraints requirements/build.txt --editable .
	@touch $(2)/.installed
endef

$(STAMP): pyproject.toml requirements/dev.txt requirements/build.txt $(filter .uv/%,$(UV))
	$(call install,requirements/dev.txt,$(VENV))

$(CREWAI_STAMP): pyproject.toml requirements/crewai.txt requirements/build.txt $(filter .uv/%,$(UV))
	$(call install,requirements/crewai.txt,$(CREWAI))

run: setup ## see a governed agent at work: the support desk, in about a minute
	@$(BIN)/bailiwick demo

test: setup $(CREWAI_STAMP) ## all tests
	@scripts/ensure postgresql chromium
	@$(CREWAI)/bin/pytest tests/crewai
	@$(BIN)/pytest

check: setup $(CREWAI_STAMP) ## what CI checks: lint, format, types, and which room may import which
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(CREWAI)/bin/mypy --follow-imports=silent --cache-dir=.mypy_cache/crewai $(CREWAI_CODE)
	@$(BIN)/lint-imports

format: setup ## put imports and layout in order
	@$(BIN)/ruff check --select I --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

docs: setup ## write the generated parts of docs/ anew
	@$(BIN)/python -m tests.docs.generate

bench: setup ## measure decisions; prints medians and writes JSON
	@$(BIN)/python -m bench

soak: setup ## the long version of the tests that repeat
	@scripts/ensure postgresql chromium
	@BAILIWICK_SOAK=1 $(BIN)/pytest -m soak

# Versions that are at least a week old, so that a poisoned release has had time to be noticed.
COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
          --no-emit-index-url --no-emit-find-links --exclude-newer "7 days"

lock: $(filter .uv/%,$(UV)) ## choose versions anew and pin them with hashes
	@mkdir -p requirements
	@$(COMPILE) pyproject.toml $(addprefix --extra ,agent-framework agentdojo autogen claude-agent-sdk demo google-adk http llama-index mcp openai-agents openapi otel parquet postgres prove pydantic-ai server smolagents strands) --group dev -o requirements/dev.txt
	@$(COMPILE) pyproject.toml $(addprefix --extra ,autogen crewai langchain postgres server) --group dev -o requirements/crewai.txt
	@$(COMPILE) pyproject.toml --extra demo -c requirements/dev.txt -o requirements/demo.txt
	@$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/core.txt
	@$(COMPILE) --group build -o requirements/build.txt
	@$(COMPILE) --group bootstrap -o requirements/bootstrap.txt

clean: ## remove what this Makefile and the tools made
	@rm -rf $(VENV) $(CREWAI) .uv build dist htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .benchmarks .hypothesis
	@find src tests examples $(wildcard bench) -name __pycache__ -type d -prune -exec rm -rf {} +
