# `make` alone says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Set by some containers. Without bytecode each run compiles everything anew: seconds.
unexport PYTHONDONTWRITEBYTECODE

##@ First
.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ready ## From a fresh machine to measured failovers, in one command
	$(BIN)/lvslab demo

.PHONY: setup
setup: $(STAMP) ## The virtual environment in .venv, with lvslab and its tools

# Again only when pyproject.toml changed, or when the environment's Python has gone.
$(STAMP): pyproject.toml scripts/debian-deps.sh
	@PYTHON=$(PYTHON) scripts/debian-deps.sh python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lvslab needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing lvslab and its tools into $(VENV)"
	@$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@

.PHONY: engine-deps
engine-deps: ## The Debian packages that the embedded engine needs
	@scripts/debian-deps.sh engine

# apt and pip wait for the network, not for each other.
.PHONY: ready
ready:
	@$(MAKE) --no-print-directory -j2 setup engine-deps

##@ Checks
.PHONY: lint
lint: setup ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: types
types: setup ## mypy, strict
	$(BIN)/mypy

.PHONY: unit
# Three processes: workers that tell each other about two thousand small tests (pytest-xdist) take
# longer for it than the tests do. The first waits much, for sockets and processes; a folder that is
# in no list is in the third. The properties have a target of their own.
UNIT := LVSLAB_HYPOTHESIS=none $(BIN)/pytest -q -p no:xdist -p no:rerunfailures \
  -p no:hypothesispytest -p no:logging -p no:cacheprovider
WAITING := tests/unit/agent
FRONT := $(addprefix tests/unit/,api cli conf export lint report)
unit: setup ## Unit tests: seconds, no engine
	@$(MAKE) --no-print-directory --output-sync=target -j3 unit-1 unit-2 unit-3

.PHONY: unit-1 unit-2 unit-3
unit-1:
	@$(UNIT) $(WAITING)
unit-2:
	@$(UNIT) $(FRONT)
unit-3:
	@$(UNIT) tests/unit $(addprefix --ignore=,$(WAITING) $(FRONT))

.PHONY: properties
properties: setup ## The unit tests that hypothesis makes, with 500 examples each
	LVSLAB_HYPOTHESIS=thorough $(BIN)/pytest -q -n auto -m hypothesis tests/unit

.PHONY: check
check: lint types unit ## lint, types and unit

.PHONY: integration
# A module that is in no list is measured.
ENGINE := $(BIN)/pytest -rR --reruns 2
modules = $(patsubst %,tests/integration/test_%.py,$(1))
CALM := $(call modules,prove pytest_plugin serving)
BESIDE := $(call modules,engine_cache bookworm beside docker_engine export forwarding imported \
  interrupted keepalived_reads udp verbs wheel)
MEASURED := $(filter-out $(CALM) $(BESIDE),$(wildcard tests/integration/test_*.py))
integration: ready ## Tests on a real engine
	@$(MAKE) --no-print-directory calm-tests
	@$(MAKE) --no-print-directory measured-tests
	@$(MAKE) --no-print-directory other-tests

.PHONY: calm-tests measured-tests other-tests
calm-tests:
	$(ENGINE) $(CALM)
measured-tests:
	$(ENGINE) $(MEASURED)
other-tests:
	$(ENGINE) $(BESIDE)

.PHONY: examples
# As a team would run its own, from their folder. A machine that was starved is tried again.
examples: ready ## The example tests of docs/examples, on a real engine
	cd docs/examples && $(CURDIR)/$(BIN)/pytest -rR --reruns 1

# With root and packages of their own; elsewhere they are skipped. Not part of `test`: they hold
# keepalived's timers on this very kernel against the clock, which busy cores fail.
.PHONY: netns
netns: setup netns-deps ## Tests of the agent with real keepalived in network namespaces (root)
	$(BIN)/pytest -q tests/netns

.PHONY: judge
judge: setup netns-deps ## keepalived itself on the reading and the linting of its files (root)
	$(BIN)/pytest -q --reruns 1 tests/netns/test_conf_judge.py

.PHONY: netns-deps
netns-deps:
	@[ "$$(id -u)" -ne 0 ] || scripts/debian-deps.sh netns

.PHONY: fuzz
fuzz: setup ## 10,000 mutated keepalived.conf files through reader and linter (minutes)
	$(BIN)/python -m tests.fuzz.fuzz_conf

# One that cannot tell, because the machine stood still, is run again; where it never can (2), that
# says nothing of lvslab. A failed or an aborted one does.
.PHONY: ci-scenarios
ci-scenarios: ready ## The scenarios with the tag ci, on a real engine
	$(BIN)/lvslab --engine embedded test --tag ci --again 2 --report scenario-report || [ $$? -eq 2 ]

.PHONY: browser
browser: setup ## The report in a real browser (Debian's chromium)
	@scripts/debian-deps.sh browser
	$(BIN)/pytest -q tests/browser

.PHONY: test
# Two lines of work beside each other: most of the time a lab waits for a protocol's timers. What is
# measured is never beside what is measured, nor what damages the cache beside another that does; what
# takes both cores (hypothesis, the browser, building an engine) comes while nothing is measured. One
# may be starved nevertheless: it is tried again, and the summary names it (R). For the output as it
# comes: make measured.
test: ready netns-deps ## Everything: set-up, check, browser, scenarios, examples, integration
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory --output-sync=target -j2 measured beside

.PHONY: measured beside
measured:
	@$(MAKE) --no-print-directory calm-tests
	@$(MAKE) --no-print-directory ci-scenarios
	@$(MAKE) --no-print-directory examples
	@$(MAKE) --no-print-directory measured-tests
beside:
	@$(MAKE) --no-print-directory browser
	@$(MAKE) --no-print-directory properties
	@$(MAKE) --no-print-directory judge
	@$(MAKE) --no-print-directory other-tests

##@ More
.PHONY: bench
bench: ready ## The figures: medians of five, as a table and JSON (bench-results/)
	$(BIN)/python scripts/bench.py

.PHONY: scenarios
scenarios: ready ## Play every scenario that ships, with a report (scenario-report/)
	$(BIN)/lvslab test --all --report scenario-report

.PHONY: failover-times
failover-times: ready ## docs/failover-times.md: 30 runs of five faults on two topologies (hours)
	$(BIN)/python scripts/failover_times.py --upto 30

.PHONY: wheel
wheel: setup ## Build dist/*.whl
	$(BIN)/python -m build --wheel

.PHONY: clean
clean: ## Remove what was built or cached in this folder, the environment included
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
