# `make demo` and `make test` are all there is to know: both install what they need into .venv, through pip alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test clean
.NOTPARALLEL:  # there is one .venv

demo: .venv/build.stamp
	$(BIN)/affectstore demo --out demo

test: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.venv/build.stamp: pyproject.toml constraints.txt
	$(call install,build)
	touch $@

# All at once: what is installed on top of another installation is resolved anew, which takes a minute.
.venv/dev.stamp: pyproject.toml constraints.txt
	$(call install,build$(comma)dev)
	touch .venv/build.stamp $@

define install
	@echo "installing into .venv, some 3 GB: a few minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$1]'
endef
comma := ,

clean:
	rm -rf .venv demo
