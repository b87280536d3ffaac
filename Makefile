# Two commands are enough: `make demo` and `make test`. Both set everything up on first use.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The CUDA build of vLLM where there is an NVIDIA GPU, its CPU build elsewhere.
ENGINE ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo vllm || echo cpu)
EXTRAS := $(ENGINE),kg,optima,dev
READY  := $(VENV)/.ready-$(ENGINE)

.PHONY: help setup demo test test-slow check lint types format bench clean

help: ## Lists the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## Makes .venv with everything in it.

$(READY): pyproject.toml constraints.txt .ci/setup
	@PYTHON=$(PYTHON) .ci/setup $(VENV) $(EXTRAS)
	@touch $@

demo: $(READY) ## Answers one HotpotQA question with a local model, plan and tasks shown live.
	@AGENTRT_SERVER_LINGER=600 $(BIN)/python examples/quickstart.py

test: $(READY) ## Runs all tests but the slow ones.
	@$(BIN)/python -m pytest -m "not slow"

test-slow: $(READY) ## Runs the tests that need minutes: large models, many kills, training.
	@$(BIN)/python -m pytest -m slow --timeout 3600

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/basedpyright --warnings

format: $(READY) ## Formats the code and sorts its imports.
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

check: lint types test ## Lint, types and tests: what has to pass before a commit lands.

bench: $(READY) ## Runs the executor benchmark and checks it against its targets.
	@$(BIN)/python -m benchmarks.executor --check

clean: ## Removes .venv and caches (not the models).
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
