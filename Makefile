# make run: sets everything up and serves on http://localhost:8000. Needs Python 3.11, pip and make.

PYTHON ?= python3
PORT ?= 8000
# cpu or cuda; cuda is several GB and is chosen by itself only where there is an NVIDIA GPU.
TORCH ?= $(if $(shell command -v nvidia-smi 2>/dev/null),cuda,cpu)
export REPRISE_PORT = $(PORT)
BIN := .venv/bin

.PHONY: help run setup test check test-browser clean

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
	$(BIN)/pytest -m "not browser" -n 2 --dist loadscope
	@if [ -n "$$CI" ]; then $(MAKE) --no-print-directory test-browser; fi

test-browser: .venv/tested ## run the tests that need a browser (Debian: apt-get install chromium)
	$(BIN)/pytest -m browser tests/browser

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
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
