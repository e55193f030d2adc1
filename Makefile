# `make demo` and `make test` are all there is to know: both install what they need into .venv,
# through pip alone.
#
#     make check    ruff, mypy, pydoclint, and the tests without server, subprocess or built store
#     make test     these, and all other tests that hold a promise
#     make long     fuzzing, rounds of kills and dry runs of the benchmarks, before a release
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# By file, so that what the tests of a file share is made once; long files first.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo check test long lint docs clean
.NOTPARALLEL:  # there is one .venv

demo: .venv/build.stamp
	$(BIN)/affectstore demo --out demo

check: lint
	$(PYTEST) -m "not (built or process or server or long or network)"

test: lint docs
	$(PYTEST) -m "not (long or network)"

long: .venv/dev.stamp
	$(PYTEST) -m "long and not network"

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pydoclint --quiet --config pyproject.toml manifests extractors stores flows

# The pages of docs/ and the reference from docstrings; a warning is an error.
docs: .venv/dev.stamp
	$(BIN)/mkdocs build --strict --quiet --site-dir .venv/site

.venv/build.stamp: pyproject.toml constraints.txt
	$(call install,build)
	touch $@

# All at once: what is installed on top of another installation is resolved anew, which takes a
# minute.
.venv/dev.stamp: pyproject.toml constraints.txt
	$(call install,build$(comma)dev)
	touch .venv/build.stamp $@

define install
	@echo "installing into .venv, 3 to 7 GB: a few minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$1]'
endef
comma := ,

clean:
	rm -rf .venv demo
