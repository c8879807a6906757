# make run: sets everything up and serves on http://localhost:8000. Needs Python 3.11, pip and make.

PYTHON ?= python3
# cpu or cuda; cuda is several GB and is chosen automatically only if there is an NVIDIA GPU.
TORCH ?= $(if $(shell command -v nvidia-smi 2>/dev/null),cuda,cpu)
# Unsaid, the settings decide (8000).
ifdef PORT
export REPRISE_PORT = $(PORT)
endif
BIN := .venv/bin
# Tests start hundreds of servers: without the compiled files each would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run setup encoder test check types audit test-static test-collected test-browser test-traced test-containers clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:\t/' | expand -t 16

run: setup ## set up, migrate and serve on http://localhost:8000
	@exec $(BIN)/reprise serve

setup: .venv/installed encoder ## install into .venv and export the default encoder

# Threads that wait sleep: by default they spin, which takes a quarter of the time of a machine on which four processes test.
test test-browser test-traced: export OMP_WAIT_POLICY = PASSIVE
# A test's files lie in main memory where 4 GB of it are free for them, and what is compiled may run there: hundreds of databases that are made and dropped would wait for a disk.
MEMORY := $(shell made=$$(mktemp -p /dev/shm 2>/dev/null) && chmod +x $$made && $$made && rm $$made && \
	df -Pk /dev/shm | awk 'END { if ($$4 >= 4000000) print "/dev/shm" }')
ifneq ($(MEMORY),)
test test-browser: export TMPDIR = $(MEMORY)
endif

# Where CI is set all of it in one run: each run of its own begins with seconds of imports, and ends with a processor that has nothing to do.
test: .venv/tested ## set up and run every test
	@$(MAKE) --no-print-directory --jobs 3 encoder test-static test-collected
	$(BIN)/pytest -m "$(if $(CI),,not browser and not traced)" -n 4 --dist loadscope --no-loadscope-reorder

test-static: .venv/tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Once, or each of the four that run tests would compile them and what they import; after the encoder, whose export compiles much of it.
test-collected: .venv/tested encoder
	@$(BIN)/pytest --collect-only -qq > /dev/null

encoder: .venv/installed
	@$(BIN)/reprise prepare

test-browser: .venv/tested ## run the tests that need a browser (Debian: apt-get install chromium)
	$(BIN)/pytest -m browser tests/browser -n 3 --dist loadscope

test-traced: .venv/tested ## install, serve as another user from a read-only tree, under strace (Debian: apt-get install strace)
	$(BIN)/pytest -m traced tests/test_installed.py

test-containers: .venv/tested ## build the images and try the whole stack (needs root, podman, buildah and podman-compose; minutes)
	$(BIN)/python -m tests.containers.try_all

types: .venv/installed ## make the TypeScript types of the API anew (needs Node's npx)
	@$(BIN)/python -m examples.client.typescript

audit: ## check every pinned version against the advisory database (needs the network: PyPI's JSON API)
	@$(PYTHON) -m venv .audit
	@.audit/bin/pip install -q pip-audit==2.10.1
	.audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

check: .venv/tested ## format, lint and types only
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt install.py
	@test -x $(BIN)/python || { $(PYTHON) install.py --help > /dev/null && $(PYTHON) -m venv .venv; }
	@$(BIN)/python install.py --torch $(TORCH)
	@touch $@

# All that .venv/installed has, and what tests need, in one go.
.venv/tested: pyproject.toml constraints.txt install.py
	@test -x $(BIN)/python || { $(PYTHON) install.py --help > /dev/null && $(PYTHON) -m venv .venv; }
	@$(BIN)/python install.py --torch $(TORCH) --dev
	@touch .venv/installed $@

clean: ## remove .venv and caches; clips stay
	rm -rf .venv .audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
