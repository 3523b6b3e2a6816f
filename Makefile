# The commands a developer needs. `make help` lists them.
#
# Everything lives in .venv (Python) and the Cargo target directory; CARGO_TARGET_DIR is honoured.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
SCALE   ?= quick
SECONDS ?= 30
# Most of a test's time is spent waiting for processes, so more workers than cores pay.
WORKERS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))

PYTHONS := $(shell find src -name '*.py' 2>/dev/null)
RUST    := $(shell find crates -name '*.rs' -o -name Cargo.toml 2>/dev/null) Cargo.toml $(wildcard Cargo.lock)

MSRV    := $(shell sed -n 's/^rust-version = "\(.*\)"/\1.0/p' Cargo.toml)

.DEFAULT_GOAL := help
.PHONY: help build demo demo-cluster test test-all test-rust test-python test-workers sdist packages lint msrv bench fuzz parity property clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(VENV)/.compiled ## Build the program: leaves a working .venv/bin/tain

$(VENV)/.tools: tools/setup pyproject.toml
	@PYTHON="$(PYTHON)" tools/setup
	@touch $@

# The Python package is installed in place, so only a change of the Rust side needs another build.
$(VENV)/.built: $(VENV)/.tools $(RUST)
	@echo "==> building the extension (release)"
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop --release --quiet
	@touch $@
	@echo "==> $(BIN)/tain is ready"

# An installed package has its byte code; where writing it is turned off (PYTHONDONTWRITEBYTECODE), every start would
# compile the sources again, which takes three times as long as all the rest of a start.
$(VENV)/.compiled: $(VENV)/.built $(PYTHONS)
	@$(BIN)/python -m compileall -q src/tain
	@touch $@

demo: build ## Mirror real trees locally, through ssh and through a daemon, prove the copies equal, and serve a mirror job
	@$(BIN)/python tools/demo.py
	@$(BIN)/python tools/demo_mirror.py

# Dask's pages need a package that nothing else does; without it the demonstration has no pages.
demo-cluster: build ## Copy a tree with two workers of a cluster, kill one in the middle, and prove the copy equal
	@$(BIN)/python -c 'import bokeh' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'bokeh>=3.1' || true
	@$(BIN)/python tools/demo_cluster.py

test: test-rust test-python test-workers packages ## Run every test, the largest products as samples

# Unlike `make test`, which runs a sample of the largest products (tests/sampling.py).
test-all: export PARITY = all
test-all: export INTEROP = all
test-all: export INJECTED = all
test-all: export DAEMON = all
test-all: export FAULT = all
test-all: WITH_WORKERS = tests/daemon
test-all: test ## Run every test with all of its cases; this takes hours

test-rust:
	@echo "==> cargo test"
	@cargo test --release --quiet -p tain-core

test-python: build
	@echo "==> pytest"
	@$(BIN)/python -m pytest -n $(WORKERS) $(TESTS)

# The daemon's tests with workers for all modules.
WITH_WORKERS ?= $(addprefix tests/daemon/test_,checklist.py hosts.py log_texts.py logs.py modules.py names.py running.py)

test-workers: build
	@echo "==> pytest, daemons with workers"
	@DAEMON_WORKERS=1 $(BIN)/python -m pytest -n $(WORKERS) $(WITH_WORKERS)
	@echo "==> pytest, daemons with lists from memory"
	@DAEMON_WORKERS=1 DAEMON_CACHE=watch $(BIN)/python -m pytest -n $(WORKERS) tests/daemon/test_modules.py tests/daemon/test_logs.py
	@DAEMON_WORKERS=1 DAEMON_CACHE=watch $(BIN)/python -m pytest -n $(WORKERS) tests/parity -k "daemon and pull"

sdist: build ## Make the source archive in dist/
	@$(BIN)/python -m build --sdist --no-isolation --outdir dist >/dev/null

packages: build ## Make the source archive and, from it alone, a wheel in dist/; check and try both
	@$(BIN)/python tools/check_packages.py dist

lint: build ## Check style and types of Python and Rust
	@echo "==> ruff"
	@$(BIN)/ruff check src tests tools bench packaging
	@$(BIN)/python tools/events_page.py --check
	@$(BIN)/ruff format --check --quiet src tests tools bench packaging || { echo "run: $(BIN)/ruff format src tests tools bench packaging"; exit 1; }
	@echo "==> mypy"
	@$(BIN)/mypy --strict src tests
	@echo "==> stubtest"
	@MYPYPATH=src $(BIN)/python -m mypy.stubtest tain._core
	@echo "==> cargo fmt, clippy"
	@cargo fmt --all -- --check
	@cargo clippy --release --quiet --workspace --all-targets -- -D warnings
	@echo "==> cargo doc"
	@RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --quiet --workspace --no-deps --document-private-items

msrv: ## Compile with the oldest Rust that Cargo.toml names (needs rustup)
	@rustup toolchain list | grep -q "^$(MSRV)" || rustup toolchain install $(MSRV) --profile minimal --no-self-update
	@echo "==> cargo +$(MSRV) check"
	@cargo +$(MSRV) check --quiet --workspace --target-dir $(or $(CARGO_TARGET_DIR),target)/msrv

# Measured is what users install: a wheel, built with [profile.dist].
build/bench/.installed: $(VENV)/.compiled
	@echo "==> building the wheel to measure"
	@rm -rf build/bench && mkdir -p build/bench
	@$(BIN)/maturin build --profile dist --quiet --interpreter $(BIN)/python --out build/bench
	@$(PYTHON) -m venv build/bench/venv
	@build/bench/venv/bin/pip install --quiet --disable-pip-version-check --no-deps build/bench/*.whl
	@touch $@

bench: build/bench/.installed ## Measure against rsync (BENCH=path of a bench.py, else start-up and system calls only; SCALE, ONLY)
	@BENCH="$(BENCH)" SCALE="$(SCALE)" ONLY="$(ONLY)" $(BIN)/python bench/run.py build/bench/venv/bin/tain

fuzz: ## Feed everything that reads a peer or a file with random input (SECONDS per target, ONLY="targets")
	@FUZZ_SECONDS=$(SECONDS) ONLY="$(ONLY)" tools/fuzz

parity: export PARITY = all
parity: build ## Run the parity rows and write docs/parity.md; OPTION=--chmod runs the rows of one option
ifdef OPTION
	@OPTION="$(OPTION)" $(BIN)/python -m pytest -n $(WORKERS) tests/parity/test_parity.py
else
	@$(BIN)/python -m pytest -n $(WORKERS) tests/parity --parity-json=build/parity.json; \
	  $(BIN)/python tools/parity_page.py build/parity.json docs/parity.md
endif

property: build ## Run random trees and options with rsync and tain (CASES, START, JOBS; SEED=n for one)
	@$(BIN)/python -m tests.property

clean: ## Remove everything that was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f src/tain/*.so
	cargo clean --quiet
