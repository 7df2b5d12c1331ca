# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
RUN_READY := $(VENV)/.run-ready
TEST_READY := $(VENV)/.test-ready
PROVIDER_READY := tests/oidc/node_modules/.ready
LINKS_READY := tests/shl/node_modules/.ready
SYSTEM_PACKAGES := dcmtk dicom3tools chromium nginx orthanc orthanc-dicomweb rsyslog rsyslog-gnutls

.PHONY: help demo test deeds units contracts protocols browser journeys test-long bench check viewer provider health-links system lock docs words wheel

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(RUN_READY) viewer ## set up, then run a bank with sample studies until Ctrl-C
	@$(VENV)/bin/imagebank demo

test: system $(TEST_READY) viewer provider health-links check ## set up, then run everything that CI runs
	@$(MAKE) --no-print-directory -j6 --output-sync=target deeds units contracts protocols browser journeys
	$(PY) -m coverage combine -q .coverage.deeds .coverage.units .coverage.contracts
	$(PY) -m coverage report

# Six parts side by side: much of the last three is waiting for servers and browsers. The first three have to reach the
# coverage floor together.
deeds:
	$(PY) -m coverage run --data-file=.coverage.deeds -m pytest -q tests/unit/actions

units:
	$(PY) -m coverage run --data-file=.coverage.units -m pytest -q tests/unit --ignore=tests/unit/actions

contracts:
	$(PY) -m coverage run --data-file=.coverage.contracts -m pytest -q tests/contracts

protocols:
	$(PY) -m pytest -q tests/protocol tests/crash

browser:
	$(PY) -m pytest -q tests/browser

journeys: # and whatever else there is
	$(PY) -m pytest -q tests $(addprefix --ignore=tests/,unit contracts protocol crash browser)

test-long: system $(TEST_READY) viewer ## the tests that take long, such as many thousand kills
	$(PY) -m pytest -q -m slow

bench: system $(TEST_READY) ## measure the bank beside Orthanc and put the table into docs/benchmarks.md
	@$(VENV)/bin/imagebank bench --out docs/benchmarks --into docs/benchmarks.md

check: $(TEST_READY) ## style, format, types and import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: $(RUN_READY) ## write the generated parts of the documentation anew
	$(PY) docs/generate.py

words: $(RUN_READY) ## gather the texts of the pages for translators
	$(PY) docs/words.py

wheel: $(TEST_READY) viewer ## build the wheel, viewer included
	$(PY) -m hatchling build -t wheel

viewer: ## fetch and prepare the viewer; costs nothing when it is there
	@python3 viewer/install.py

provider: $(PROVIDER_READY) ## fetch the OpenID provider that the tests sign in at

$(PROVIDER_READY): tests/oidc/package-lock.json
	@cd tests/oidc && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

health-links: $(LINKS_READY) ## fetch the viewer of SMART Health Links that the tests open ours with

$(LINKS_READY): tests/shl/package-lock.json
	@cd tests/shl && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

lock: ## resolve the dependencies anew
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --upgrade \
	  --group build pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --upgrade \
	  --group build --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

system: ## install the programs that the tests call, or say which are missing
	@missing=$$(for p in $(SYSTEM_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	else echo "The tests need these programs:  sudo apt-get install" $$missing; exit 1; fi

$(RUN_READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --require-hashes -r requirements.lock
	$(PY) -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(TEST_READY): requirements-dev.lock $(RUN_READY)
	$(PY) -m pip install -q --require-hashes -r requirements-dev.lock
	@touch $@
