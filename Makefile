# `make` runs what a change must pass; `make help` lists everything. Needs Python 3.11 or newer, git and make;
# the rest goes into .venv.

.DEFAULT_GOAL := all
.SHELLFLAGS := -eu -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Tests start many interpreters, which would compile everything each time.
unexport PYTHONDONTWRITEBYTECODE

# Override these on the command line: make demo DEMO_ARGS="--headless --seconds 20 --json"
PYTHON ?=
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
# Processes that share the tests and one broker. Many tests wait more than they compute.
TEST_WORKERS ?= 4
# How often a campaign runs the torture tests, each time with another seed.
CAMPAIGN_ROUNDS ?= 5

# What `make test-oldest` runs, and with which tools: a minute, for each part of the tree.
OLDEST_TESTS ?= tests/schemas/test_codec.py tests/schemas/prompts/test_content.py tests/schemas/prompts/test_snapshot.py \
    tests/producers/test_redaction.py tests/producers/test_usage.py tests/registry/test_lifecycle.py \
    tests/consumers/collector/test_pricing.py tests/consumers/store/test_store.py tests/consumers/store/test_commit.py \
    tests/analytics/core/test_e_process.py tests/server/api/test_measures.py tests/server/cli/test_output.py \
    tests/dashboards/test_formatting.py
OLDEST_TOOLS := hatchling editables hypothesis pytest pytest-httpserver pytest-xdist

BIN := .venv/bin
STAMP := .venv/.installed
# Spark is 400 MB: only what tests or checks it installs it.
SPARK_STAMP := .venv/.installed-spark
# All extras but Spark's.
EXTRAS := $(addprefix --extra ,kafka prompts cli server dashboards jwt oidc evals bleu mcp opentelemetry notify)

# uv does not read pip's configuration, where a machine may have its index of packages.
UV = index="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$$($(BIN)/python -m pip config list \
    | sed -n "s/^[^=]*\.index-url='\(.*\)'$$/\1/p" | head -n 1)}}"; \
    [ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; $(BIN)/uv

# For every platform and Python at once, and without the address of the index that was asked.
LOCK = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

.PHONY: all
all: format lint types test ## Format, lint, check types and test: the default

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | sort | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## Install everything into .venv; does nothing when that is up to date

.PHONY: demo
demo: setup ## Simulated services, live dashboard, no Kafka; options by DEMO_ARGS="..."
	@$(BIN)/coalmine demo $(DEMO_ARGS)

.PHONY: test
test: setup $(SPARK_STAMP) ## Run the tests, a real Kafka broker included; options by TEST_ARGS="..."
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

# `-m ""` takes the long grids, too. A failure ends nothing: the page says what is broken.
.PHONY: campaign
campaign: setup $(SPARK_STAMP) ## Run all tests in full, then torture round after round, and write docs/reliability.md: hours
	@rm -rf build/campaign; failed=0; \
	COALMINE_TEST_CAMPAIGN=1 $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "" \
	    -o faulthandler_timeout=9000 --junitxml=build/campaign/all.xml $(TEST_ARGS) || failed=1; \
	for round in $$(seq $(CAMPAIGN_ROUNDS)); do \
	    echo "torture, round $$round of $(CAMPAIGN_ROUNDS)"; \
	    COALMINE_TEST_SEED=$$round $(BIN)/python -m pytest --quiet -m "" -o faulthandler_timeout=9000 \
	        --junitxml=build/campaign/round-$$round.xml tests/torture || failed=1; \
	done; \
	$(BIN)/python -m tests.support.reliability.page; exit $$failed

# Lower bounds are promises: the code works with the oldest of each dependency, and beside other packages.
# Needs the index of packages. Kafka and PostgreSQL are left to `make test`, whose packages are the newest.
OLDEST := .venv-oldest
.PHONY: test-oldest
test-oldest: setup ## Run the tests of imports and of the core with the oldest versions we allow
	@$(UV) venv --quiet --clear --python $(BIN)/python $(OLDEST)
	@$(UV) pip compile pyproject.toml --quiet $(EXTRAS) --python $(OLDEST) --resolution lowest-direct \
	    --output-file $(OLDEST)/oldest.txt
	@$(UV) pip install --quiet --python $(OLDEST) --requirement $(OLDEST)/oldest.txt
	@$(UV) pip install --quiet --python $(OLDEST) --constraint $(OLDEST)/oldest.txt $(OLDEST_TOOLS)
	@$(UV) pip install --quiet --python $(OLDEST) --no-deps --no-build-isolation --editable .
	@$(OLDEST)/bin/python -m pytest --quiet --numprocesses $(TEST_WORKERS) -m "not (campaign or kafka or postgres)" $(OLDEST_TESTS)

.PHONY: lint
lint: setup ## Check style, formatting and dead code
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo "Run 'make format'."; exit 1; }
	@found="$$($(BIN)/vulture)" || [ $$? -eq 3 ]; ! printf '%s' "$$found" | grep -v 'unused variable'

.PHONY: format
format: setup ## Format the code and fix what can be fixed by rule
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format --quiet

.PHONY: types
types: setup $(SPARK_STAMP) ## Check types, strictly, in code and tests
	@$(BIN)/mypy

.PHONY: bench
bench: setup ## Measure ingest, client, visibility and queries; a table each; options by BENCH_ARGS="..."
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

.PHONY: openapi
openapi: setup ## Renew docs/openapi.json after a change of the HTTP API
	@$(BIN)/python -c 'import json; from coalmine_server.api.app import openapi_document as it; print(json.dumps(it(), indent=1))' > docs/openapi.json

.PHONY: reference
reference: setup ## Renew docs/api.md and docs/settings.md after a change of the HTTP API or the settings
	@$(BIN)/python -m docs.reference

.PHONY: docs
docs: setup ## Build the documentation as a site in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

.PHONY: dictionary
dictionary: setup ## Renew docs/data-dictionary.md after a change of an event or of the store's tables
	@$(BIN)/python -m coalmine_consumers.ad_hoc.dictionary > docs/data-dictionary.md

.PHONY: screenshots
screenshots: setup ## Renew the pictures of the dashboard in docs/screenshots: minutes, needs a Chromium
	@$(BIN)/python -m docs.screenshots

.PHONY: lock
lock: setup ## Renew the lock files from pyproject.toml: newest versions, with hashes
	@$(LOCK) --upgrade $(EXTRAS) --group dev --output-file requirements.lock
	@$(LOCK) --constraint requirements.lock --extra server --extra dashboards --extra jwt --group build \
	    --output-file requirements-image.lock
	@$(LOCK) --upgrade --constraint requirements.lock --extra spark --output-file requirements-spark.lock
	@echo "The lock files are renewed; the next make target installs them."

.PHONY: ci
ci: ## What CI runs: install what the machine lacks, then lint, types, all tests, oldest versions
	@.ci/run

.PHONY: clean
clean: ## Delete .venv, caches and build results; never your data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# Hashes are required, so what is installed here is what was tested. The package itself comes last and without
# build isolation, because pip would fetch a build backend that no hash vouches for.
$(STAMP): requirements.lock pyproject.toml
	@python="$$(PYTHON='$(PYTHON)' .ci/find-python)"; \
	if ! $(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null; then \
	    echo "Creating .venv with $$python"; \
	    "$$python" -m venv --clear .venv; \
	fi
	@echo "Installing into .venv: a minute or two, only when requirements.lock or pyproject.toml changed"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# With build isolation: pyspark comes as source alone, and is packed by a setuptools that pip chooses.
$(SPARK_STAMP): requirements-spark.lock $(STAMP)
	@echo "Installing Spark into .venv: 400 MB, only when requirements-spark.lock changed"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-spark.lock
	@touch $(SPARK_STAMP)
