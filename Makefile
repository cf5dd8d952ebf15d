# Two commands do it all: `make demo` shows the whole story, `make test` proves it.

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format campaign kills history duplicates fuzz \
	bench serve lock clean

BIN := .venv/bin
ROOMS := ledger api card_bridge dispenser ledger_client migrations tests

help: ## Say what can be made.
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

setup: ## Make .venv with the locked packages. PYTHON=... names another Python.
	@PYTHON="$(PYTHON)" tools/setup.sh

demo: setup ## Tell the whole story, from purchase to a refused clone (in .demo/).
	@$(BIN)/python -m tests.story

# Tests wait a lot, for disks and for each other, so three run at a time on two cores.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile

# Where the system packages may not be installed, CI fails; anybody else goes without
# the tests that talk to a PC/SC daemon, to a software security module, or by curl.
test: setup ## Run every test. ARGS=... goes to pytest.
	@if tools/system-packages.sh tests; then $(PYTEST) $(ARGS); \
	elif [ "$$CI" = true ]; then exit 1; \
	else echo "Left out: the tests that need a PC/SC daemon, SoftHSM, or curl and jq."; \
	$(PYTEST) -m "not pcsc and not pkcs11 and not curl" $(ARGS); fi

check: setup ## Check format, lint, types and the import contracts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict $(ROOMS)
	$(BIN)/lint-imports --no-logo

format: setup ## Write the code in the house's format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

campaign: setup ## Let a town do as it likes for a million steps (about half an hour).
	$(BIN)/pytest --hypothesis-profile=campaign tests/lifecycle

kills: setup ## Kill what runs fifty times under load; nothing is lost (10 minutes).
	@$(BIN)/python -m tests.kills $(ARGS)

history: setup ## Let clients meet 200,000 times; see one history (10 minutes).
	@$(BIN)/python -m tests.history $(ARGS)

duplicates: setup ## Send ten thousand commands several times each (2 minutes).
	@$(BIN)/python -m tests.duplicates $(ARGS)

fuzz: setup ## Ask every door what the document allows and forbids (10 minutes).
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: setup ## Measure, each figure against its baseline (in .bench/).
	@$(BIN)/python -m tests.benchmarks

serve: setup ## Run the ledger's HTTP server.
	@$(BIN)/ledgerctl serve

# One answer for every platform and Python that the package allows, hashes included.
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 \
	--generate-hashes --no-header
lock: setup ## Choose package versions anew within pyproject.toml. ARGS=--upgrade
	$(LOCK) $(ARGS) --group dev --group build pyproject.toml -o requirements/all.lock
	$(LOCK) --group pyproject.toml:build -c requirements/all.lock \
		-o requirements/build.lock
	$(LOCK) --extra otel --extra pkcs11 --no-emit-package pyscard pyproject.toml \
		-c requirements/all.lock -o requirements/runtime.lock

clean: ## Take away what was made: .venv, .demo, .bench, caches. Data in .ledger stays.
	rm -rf .venv .demo .bench .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache build dist
