# make run: sets everything up and serves on http://localhost:8000. Needs Python 3.11, pip and make.

PYTHON ?= python3
PORT ?= 8000
# cpu or cuda; cuda is several GB and is chosen by itself only where there is an NVIDIA GPU.
TORCH ?= $(if $(shell command -v nvidia-smi 2>/dev/null),cuda,cpu)
export REPRISE_PORT = $(PORT)
BIN := .venv/bin

.PHONY: help run setup test check audit test-browser clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:\t/' | expand -t 16

run: setup ## set up, migrate and serve on http://localhost:$(PORT)
	@exec $(BIN)/reprise serve

setup: .venv/installed ## install into .venv and export the default encoder
	@$(BIN)/reprise prepare

test: .venv/tested ## set up and run every test
	@$(BIN)/reprise prepare
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not browser" -n 3 --dist loadscope
	@if [ -n "$$CI" ]; then $(MAKE) --no-print-directory test-browser; fi

test-browser: .venv/tested ## run the tests that need a browser (Debian: apt-get install chromium)
	$(BIN)/pytest -m browser tests/browser -n 3 --dist loadscope

audit: ## hold every pinned version against the advisory database (needs the network: PyPI's JSON API)
	@$(PYTHON) -m venv .audit
	@.audit/bin/pip install -q pip-audit==2.10.1
	.audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

check: .venv/tested ## format, lint and types only
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt install.py
	@$(PYTHON) -m venv .venv
	@$(BIN)/python install.py --torch $(TORCH)
	@touch $@

.venv/tested: .venv/installed
	@$(BIN)/python install.py --torch $(TORCH) --dev
	@touch $@

clean: ## remove .venv and caches; clips stay
	rm -rf .venv .audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
