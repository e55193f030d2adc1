# `make demo` and `make test` are all there is to know: both install what they need into .venv,
# through pip alone.
#
#     make check    ruff, mypy, and the tests of two minutes: without a server, a process, a built
#                   store, a real clip or a network of real size
#     make test     these, and all other tests that hold a promise
#     make papers   the five papers from clips to every table and figure, on the sample corpus
#     make long     fuzzing, rounds of kills and dry runs of the benchmarks, before a release
#     make bench    the product against naive scripts, other tools and the floor, on a quiet machine
#     make supply   the bill of materials and the licences of all that the pipeline brings
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# By file, so that what the tests of a file share is made once; long files first. Two processes,
# each with one thread for its sums: with more they wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
QUICK := not (built or heavy or process or real or server or long or network)

.PHONY: demo check test papers long bench lint docs supply clean
.NOTPARALLEL:  # there is one .venv

demo: .venv/build.stamp
	$(BIN)/affectstore demo --out demo

check: lint
	$(call beside_mypy,$(PYTEST) -m "$(QUICK)")

test: lint docs
	$(call beside_mypy,$(PYTEST) -m "not (long or network)")

# Goes on where it was ended; below papers/ each has its store, its run and a log.
papers: .venv/build.stamp
	$(BIN)/python -m examples.reproduce papers

long: .venv/dev.stamp
	$(PYTEST) -m "long and not network"

# Options in BENCH: `make bench BENCH="--quick --compare"`. The other tools lie in an environment of
# their own, which sees this one; without a network the bench goes on without them.
bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks.peers.install .venv-peers
	.venv-peers/bin/python -m benchmarks.bench $(BENCH)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy takes one processor for half a minute where it has no cache; what it says comes at the end.
define beside_mypy
	@echo '$(1)  and  $(BIN)/mypy'
	@$(BIN)/mypy > .mypy.log 2>&1 & mypy=$$!; $(1); tests=$$?; \
	wait $$mypy; types=$$?; cat .mypy.log; rm .mypy.log; exit $$((tests + types))
endef

# The pages of docs/ and the reference from docstrings; a warning is an error.
docs: .venv/dev.stamp
	$(BIN)/mkdocs build --strict --quiet --site-dir .venv/site

# CycloneDX and a table of licences, in .supply. The environment that is listed is one of its own, so
# that neither pip nor a tool of the developers is among what is listed.
SUPPLY_TOOLS := cyclonedx-bom==7.5.0 pip-licenses==5.5.5
LISTED := .supply/listed/bin/python

supply:
	$(PYTHON) -m venv --clear .supply/tools
	.supply/tools/bin/python -m pip install --quiet $(SUPPLY_TOOLS)
	$(PYTHON) -m venv --clear --without-pip .supply/listed
	.supply/tools/bin/python -m pip --python $(LISTED) install --quiet \
		--constraint constraints.txt '.[build,s3]'
	.supply/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file .supply/sbom.json $(LISTED)
	.supply/tools/bin/pip-licenses --python $(LISTED) --from mixed --with-urls \
		--format markdown --output-file .supply/licences.md

.venv/build.stamp: pyproject.toml constraints.txt
	$(call install,build)
	touch $@

# All at once: what is installed on top of another installation is resolved anew, which takes a
# minute.
.venv/dev.stamp: pyproject.toml constraints.txt
	$(call install,build$(comma)dev)
	touch .venv/build.stamp $@

# A line every few seconds says that it goes on; what pip says is kept in .venv/pip.log. The loop
# ends with this shell, however that ends. The size is measured beside it: on a busy disk that takes
# longer than a line may.
define install
	@echo "installing into .venv, 3 to 7 GB: a few minutes"
	@mkdir -p .venv; : > .venv/pip.log; begun=$$(date +%s); \
	( while sleep 5 && kill -0 $$$$ 2>/dev/null; do \
	kill -0 $$du 2>/dev/null || { { du -sm .venv > .venv/du; mv .venv/du .venv/size; } & du=$$!; }; \
	echo "  $$(($$(date +%s) - begun)) s, $$(cut -f1 .venv/size || echo 0) MB:" \
	"$$(grep -v '^ ' .venv/pip.log | tail -n 1 | cut -c 1-58)"; done ) 2>/dev/null & beat=$$!; \
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --progress-bar off \
		--constraint constraints.txt --editable '.[$1]' >> .venv/pip.log 2>&1; \
	is=$$?; kill $$beat 2>/dev/null; [ $$is = 0 ] || tail -n 20 .venv/pip.log >&2; exit $$is
endef
comma := ,

clean:
	rm -rf .venv .venv-peers .bench .supply demo papers
