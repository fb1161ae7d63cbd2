# Everything this project does, behind one command each. `make help` lists them.
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON   ?= python3
SCENARIO ?= $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
JOBS     ?= 2
INPUTS   ?= 500000
RUNS     ?= 6
PAIRS    ?= 5
HOSTS    ?= 100
CALLS    ?= 3
BACKENDS ?= nftables nftables-placed iptables ufw
TEXTS    ?= 10000000
PARTS    ?= $(SCENARIO:%=molecule-%) sanity packet kill integration vendors page first-hour lint property unit types docs build

VENV      := .venv
VENV_DEMO := .venv-demo
BIN       := $(CURDIR)/$(VENV)/bin
PY        := $(BIN)/python
PY_DEMO   := $(CURDIR)/$(VENV_DEMO)/bin/python
BUILD     := $(CURDIR)/.build

# What a user's collection is made of; a change to any of it builds the collection anew.
SOURCES := $(shell find plugins roles playbooks meta docs changelogs README.md COPYING requirements.txt galaxy.yml \
             -type f ! -name '*.pyc' 2>/dev/null)

# Every run keeps to itself: the tools' own state and the built collection live under .build.
export ANSIBLE_HOME := $(BUILD)/ansible
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)/collections
export ANSIBLE_LOCALHOST_WARNING := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup demo test unit property explore fuzz fuzz-sockets packet kill fleet integration vendors page screenshots first-hour molecule sanity lint docs types build bench pin clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.stamp ## install what the tests need: system tools and .venv
	@PYTHON="$(PYTHON)" tests/tools/need.sh test

$(VENV)/.stamp: tests/requirements.txt tests/requirements-demo.txt tests/constraints.txt
	@PYTHON="$(PYTHON)" tests/tools/need.sh test
	@PYTHON="$(PYTHON)" tests/tools/venv.sh $(VENV) tests/requirements.txt

$(VENV_DEMO)/.stamp: tests/requirements-demo.txt tests/constraints.txt
	@PYTHON="$(PYTHON)" tests/tools/need.sh demo
	@PYTHON="$(PYTHON)" tests/tools/venv.sh $(VENV_DEMO) tests/requirements-demo.txt

$(BUILD)/collections/.stamp: $(SOURCES) | $(VENV_DEMO)/.stamp
	@tests/tools/collection.sh $(VENV_DEMO)/bin $(BUILD)

demo: $(VENV_DEMO)/.stamp $(BUILD)/collections/.stamp ## show it working: a lab of namespaces, plan, apply, verify
	@PYTHON="$(PYTHON)" tests/tools/need.sh demo
	@PATH="$(CURDIR)/$(VENV_DEMO)/bin:$$PATH" $(PY_DEMO) tests/lab/demo.py

test: setup $(BUILD)/collections/.stamp ## run every part; PARTS="unit lint" runs some, JOBS=1 one at a time
	@$(PY) tests/tools/parts.py --jobs $(JOBS) --logs $(BUILD)/logs -- $(PARTS)

unit: setup ## unit tests
	@echo "unit: pytest tests/unit"
	@$(PY) -m pytest tests/unit

property: setup ## property tests (hypothesis)
	@echo "property: pytest tests/property"
	@$(PY) -m pytest tests/property

fuzz: setup ## read 500,000 mutated firewall listings (half an hour); INPUTS=20000 reads fewer
	@echo "fuzz: $(INPUTS) listings"
	@DBPORTS_FUZZ=$(INPUTS) $(PY) -m pytest tests/property/test_listings.py

fuzz-sockets: setup ## read 10 million mutated outputs of netstat and ss (minutes), going on where it was; TEXTS=100000
	@echo "fuzz-sockets: $(TEXTS) texts"
	@$(PY) tests/property/fuzz_sockets.py $(TEXTS) --keep $(BUILD)/fuzz-sockets --jobs $(JOBS)

explore: setup ## property tests with examples that differ from run to run, and three times as many
	@echo "explore: pytest tests/property"
	@DBPORTS_EXAMPLES=explore $(PY) -m pytest tests/property

packet: setup ## real packets against real rulesets, in a private network world
	@echo "packet: pytest tests/packet in a world of its own"
	@PATH="$(BIN):$$PATH" $(PY) tests/lab/world.py -- $(PY) -m pytest tests/packet

kill: setup ## kill runs in the middle, two at once: RUNS=250 PAIRS=200 CALLS=0 (every system call) BACKENDS=nftables
	@echo "kill: $(RUNS) kills, $(PAIRS) pairs, on each of $(BACKENDS)"
	@set -e; for backend in $(BACKENDS); do PATH="$(BIN):$$PATH" $(PY) tests/kill/kill.py --backend $$backend \
	  --kills $(RUNS) --boundaries $(CALLS) --pairs $(PAIRS); done

fleet: setup ## confirm 100 hosts at once under each strategy, some of which lock out (minutes); HOSTS=20
	@PATH="$(BIN):$$PATH" $(PY) tests/lab/world.py -- $(PY) tests/fleet/confirm.py --hosts $(HOSTS)

integration: setup $(BUILD)/collections/.stamp ## real playbook runs against lab hosts
	@echo "integration: pytest tests/integration in a world of its own"
	@PATH="$(BIN):$$PATH" $(PY) tests/lab/world.py -- $(PY) -m pytest tests/integration

$(BUILD)/vendors/.stamp: tests/tools/vendors.py | $(VENV)/.stamp
	@$(PY) tests/tools/vendors.py $(BUILD)/vendors

vendors: setup $(BUILD)/vendors/.stamp $(BUILD)/collections/.stamp ## rules for devices through the vendors' own collections, without a device
	@echo "vendors: pytest tests/vendors"
	@$(PY) -m pytest tests/vendors

page: setup ## the report's page in headless Chromium
	@echo "page: pytest tests/page"
	@$(PY) -m pytest tests/page

screenshots: setup ## draw the pictures of docs/images anew
	@$(PY) tests/tools/screenshots.py docs/images

first-hour: setup $(BUILD)/collections/.stamp ## the README in an empty home, on each ansible-core that runs here
	@echo "first-hour: pytest tests/first_hour in a world of its own"
	@PYTHON="$(PYTHON)" tests/tools/ansibles.sh $(BUILD)/ansible-core
	@PATH="$(BIN):$$PATH" $(PY) tests/lab/world.py -- $(PY) -m pytest tests/first_hour

molecule: $(SCENARIO:%=molecule-%) ## the Molecule scenarios in podman containers; SCENARIO=nftables runs one

molecule-%: setup $(BUILD)/collections/.stamp
	@echo "molecule: scenario $*"
	@PATH="$(BIN):$$PATH" tests/tools/molecule.sh $*

sanity: setup ## ansible-test sanity, all tests, every installed Python
	@echo "sanity: ansible-test on a copy of the checkout"
	@tests/tools/sanity.sh $(BIN)

lint: setup $(BUILD)/collections/.stamp ## ruff, shellcheck, changelog fragments, ansible-lint (production)
	@PATH="$(BIN):$$PATH" tests/tools/lint.sh

types: setup ## mypy --strict over plugins and tests/tools
	@echo "types: mypy --strict"
	@tests/tools/types.sh $(BIN) $(BUILD)

docs: setup ## check the documentation of every plugin and role
	@echo "docs: antsibull-docs lint-collection-docs"
	@PATH="$(BIN):$$PATH" $(BIN)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all .

build: setup ## build the collection and check what is in it
	@echo "build: ansible-galaxy collection build"
	@rm -rf $(BUILD)/dist
	@$(BIN)/ansible-galaxy collection build --output-path $(BUILD)/dist
	@$(PY) tests/tools/check_build.py $(BUILD)/dist/dbports-firewall-*.tar.gz

$(BUILD)/bench/.stamp: tests/requirements-bench.txt tests/requirements-demo.txt tests/constraints.txt
	@PYTHON="$(PYTHON)" tests/tools/venv.sh $(BUILD)/bench tests/requirements-bench.txt

bench: setup $(BUILD)/bench/.stamp ## benchmarks: ratios against named peers, measured in the same run
	@for script in tests/bench/*.py; do \
	  echo "bench: $$script"; \
	  PATH="$(BIN):$$PATH" $(PY) "$$script"; \
	done

pin: $(VENV)/.stamp ## write tests/constraints.txt anew from tests/requirements.txt
	@tests/tools/pin.sh "$(PYTHON)"

clean: ## remove what make made here
	rm -rf $(VENV) $(VENV_DEMO) .build .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis
