# Two commands are all a newcomer needs: `make run` and `make test`.
# The distribution's Python where it can make virtual environments: builds made by hand are often a third slower.
PYTHON ?= $(shell for python in /usr/bin/python3 python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
ifeq ($(strip $(PYTHON)),)
$(error Estafeta needs Python 3.11 or newer with its venv module: install python3.11 and python3.11-venv, or say PYTHON=...)
endif
VENV ?= .venv
BIN := $(VENV)/bin

# The tests start servers and commands hundreds of times: what Python compiles them to is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check unit bench crashtest fuzz docs clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

run: $(VENV)/.installed
	$(BIN)/estafeta --home run/demo demo

test: check unit

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m estafeta.cli.docs --check

unit: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

docs: $(VENV)/.installed
	$(BIN)/python -m estafeta.cli.docs --write

bench:
	benchmarks/run.sh

crashtest: $(VENV)/.installed
	$(BIN)/estafeta crashtest

fuzz: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzz/run.py

clean:
	rm -rf $(VENV) .venv-bench run .mypy_cache .ruff_cache .pytest_cache .hypothesis
