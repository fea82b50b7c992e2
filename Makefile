# `make` alone lists the commands.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VAR := $(or $(CLEARINGHOUSE_VAR),var)
INSTALLED := $(VENV)/installed
PROGRAM := tenants clearinghouse settlement migrations cli.py

.DEFAULT_GOAL := help
.PHONY: help install demo test torture lint audit serve bench clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: $(INSTALLED) ## Install everything into .venv

demo: $(INSTALLED) ## Run the main job on a year of real retail data
	@$(BIN)/clearinghouse demo

test: lint ## Run every check and every test
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

torture: $(INSTALLED) ## Break everything under load, again and again: MINUTES=30, SEED=…
	@CLEARINGHOUSE_TORTURE_MINUTES=$(or $(MINUTES),10) CLEARINGHOUSE_TORTURE_SEED=$(SEED) \
		$(BIN)/python -m pytest tests/crash --capture=tee-sys

lint: $(INSTALLED) ## Check style, types, direction of imports, what migrations lock; look for holes and secrets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg
	@$(BIN)/python -m migrations.lint
	@$(BIN)/bandit --quiet --ini setup.cfg --recursive $(PROGRAM)
	@$(BIN)/kingfisher scan --quiet --no-validate --no-update-check --git-history none --rules-path .kingfisher.yml \
		--rule-cache-dir .kingfisher_cache --exclude-rule betterleaks.curl-auth-header --skip-word CHANGE-ME \
		--exclude '.*_cache' --exclude $(VENV) --exclude $(VAR) .

audit: ## Ask the internet which of the pinned packages have known holes
	@$(PYTHON) -m venv $(VAR)/audit && $(VAR)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	@$(VAR)/audit/bin/pip-audit --no-deps --disable-pip --requirement constraints.txt

serve: $(INSTALLED) ## Serve the API on http://127.0.0.1:8080, with jobs and scheduler
	@$(BIN)/clearinghouse init
	@$(BIN)/clearinghouse serve

bench: $(INSTALLED) ## Measure everything that docs/performance.md tells of
	@$(BIN)/python -m benchmarks

clean: ## Stop the embedded servers; remove their data, all output files and .venv
	@if [ -x $(BIN)/python ]; then for var in $(VAR) $(VAR)/test $(VAR)/bench; do \
		$(BIN)/python -m tenants.foundation.embedded clean $$var || exit 1; done; fi
	@rm -rf $(VAR) $(VENV) build *.egg-info .*_cache .hypothesis .schemathesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory $(BIN)/pip
	@echo "Installing into $(VENV) (a minute or two the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	@touch $@

# Debian ships venv apart from Python.
$(BIN)/pip:
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		rm -rf $(VENV); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing python3-venv with apt-get"; \
			{ apt-get update && apt-get install -y python3-venv; } >/dev/null 2>&1; \
		fi; \
		$(PYTHON) -m venv $(VENV) || { \
			echo "Python can't make a virtual environment here: apt-get install python3-venv"; exit 1; }; }
