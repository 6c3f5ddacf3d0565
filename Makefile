# `make` alone prints the targets. Everything a target needs is set up by itself, in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
export UV_SYSTEM_CERTS := true
export UV_PYTHON_DOWNLOADS := never

.PHONY: help run test check format lock audit figures storm kills faults rotation canaries mutants first pictures bench change profile growth lists renewals starting

help: ## print these lines
	@sed -n 's/^\([a-z]*\):.*## /\1 /p' $(MAKEFILE_LIST) | while read name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

run: $(VENV)/.ok ## set up, migrate, and serve on 127.0.0.1:8080 (PORT), providers without credentials from the sandbox
	@exec $(BIN)/python run.py

test: $(VENV)/.ok ## set up and run every test
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(VENV)/.ok ## format, lint, types, import contracts, migrations equal models
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.migrations_equal_models

format: $(VENV)/.ok ## bring the code into its form
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

audit: $(VENV)/.ok ## ask whether anything that is locked has a known weakness; needs the network
	@$(BIN)/python -m benchmarks.audit_dependencies

figures: $(VENV)/.ok ## print the numbers that README and the notes name
	@$(BIN)/python -m benchmarks.figures

first: $(VENV)/.ok ## go from a clean clone to a token by README's own commands: seconds to each stage; needs Chromium
	@$(BIN)/python -m benchmarks.first_connection

storm: $(VENV)/.ok ## a crowd asks for expired tokens in four processes: how often the provider is called, how long they wait
	@$(BIN)/python -m benchmarks.refresh_storm $(ARGS)

kills: $(VENV)/.ok ## kill processes in the middle of a renewal: what is recovered, and when
	@$(BIN)/python -m benchmarks.kills $(ARGS)

rotation: $(VENV)/.ok ## rotate keys under load and kill the command: reads failed, rows left on old keys, rows a second
	@$(BIN)/python -m benchmarks.rotation $(ARGS)

faults: $(VENV)/.ok ## let PostgreSQL, SQLite's file and Redis fail: what is answered, how late, when all is well again
	@$(BIN)/python -m benchmarks.faults $(ARGS)

canaries: $(VENV)/.ok ## look for secrets in all that a run leaves behind: bytes looked through, and hits
	@$(BIN)/python -m benchmarks.canaries

pictures: $(VENV)/.ok ## photograph the pages for docs/pictures; ARGS="--all FOLDER": all of them, in two sizes and both themes
	@$(BIN)/python -m benchmarks.pictures $(ARGS)

bench: $(VENV)/.ok ## ask each operation beside bare Flask, in turns: requests a second, p50, p99, CPU, memory, as ratios
	@$(BIN)/python -m benchmarks.speed.bench $(ARGS)

change: $(VENV)/.ok ## ask each operation of this checkout and of another (FOLDER), in turns: what a change gives
	@$(BIN)/python -m benchmarks.speed.change $(ARGS) $(FOLDER)

profile: $(VENV)/.ok ## answer each operation in one thread: whose code takes how much of the CPU of a request
	@$(BIN)/python -m benchmarks.speed.profile $(ARGS)

growth: $(VENV)/.ok ## ask among a million connections and among 20,000, in turns: what many connections cost
	@$(BIN)/python -m benchmarks.speed.growth $(ARGS)

lists: $(VENV)/.ok ## list 1,000 connections, once and 16 times at once: how much memory that takes
	@$(BIN)/python -m benchmarks.speed.lists $(ARGS)

renewals: $(VENV)/.ok ## let the worker renew 10,000 due tokens: tokens a second, CPU a token
	@$(BIN)/python -m benchmarks.speed.renewals $(ARGS)

starting: $(VENV)/.ok ## start Latchkey and bare Flask in turns: seconds to the first answer, memory of two workers
	@$(BIN)/python -m benchmarks.speed.starting $(ARGS)

mutants: $(VENV)/.ok ## take guards out one by one: each must be missed by a test
	@$(BIN)/python -m tests.mutants $(ARGS)

lock: $(VENV)/.ok ## resolve requirements.in and requirements-dev.in anew
	@.tools/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 requirements.in -o requirements.txt
	@.tools/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 requirements-dev.in -o requirements-dev.txt

# uv sets up in seconds; where it cannot be had, pip does the same more slowly.
$(VENV)/.ok: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@rm -rf $(VENV) .tools
	@if $(PYTHON) -m pip install -q --target .tools "uv==$(UV_VERSION)" >.uv.log 2>&1; then \
	  .tools/bin/uv venv -q --python $(PYTHON) $(VENV) && \
	  .tools/bin/uv pip sync -q --require-hashes --python $(BIN)/python requirements.txt requirements-dev.txt; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install -q --require-hashes --no-deps -r requirements.txt -r requirements-dev.txt; \
	fi
	@touch $@
