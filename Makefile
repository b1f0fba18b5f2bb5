# `make train` and `make test` do all the set-up; `make .venv` is the set-up alone.
PYTHON ?= python3
TORCH_PIP ?=
TORCH_PIN := $(shell sed -n 's/^torch==//p' constraints.txt)

# Windows keeps the interpreter of a virtual environment elsewhere
BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)

.PHONY: train test lint clean

train: .venv/.installed
	$(BIN)/python train.py

test: .venv/.installed
	$(BIN)/python -m pytest -n auto

lint: .venv/.installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

.venv: .venv/.installed

# torch first and pinned: asked for later, it would come as the newest build with all of CUDA
.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'Corticode needs Python 3.11 or newer: make PYTHON=python3.12'"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH_PIP) torch==$(TORCH_PIN)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache
