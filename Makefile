# `make demo` and `make test` are all there is to know: both install what they need into .venv, through pip alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/build.stamp
	$(BIN)/affectstore demo --out demo

test: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.venv/build.stamp: pyproject.toml constraints.txt
	@echo "installing into .venv, some 3 GB: a few minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[build]'
	touch $@

.venv/dev.stamp: .venv/build.stamp
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[build,dev]'
	touch $@

clean:
	rm -rf .venv demo
