# Everything the project does, by name. `make help` lists the targets.
# Python >= 3.11 and make are all that is needed: each target makes the environment it runs in.

PYTHON ?= python3
PRESET ?= cpu
OPTIONS ?=
JOBS ?= 2
VENV ?= .venv
LOWEST := .venv-lowest
PEERS := .venv-peers
FORECAST_PEERS := .venv-forecast-peers
# A folder of the user's files, from make's command line alone: as an environment variable it may mean anything.
DATA :=
# In a variable, because a comma separates the arguments of a call.
DEV_AND_DOCS := .[dev,docs]

RUN := $(VENV)/bin/python -m
INSTALLED := $(VENV)/.installed
# Documents whose numbers are generated from the records.
DOCUMENTS := README.md $(wildcard docs/*.md experiments/*/README.md)
# The output of each job in one piece, where make can (GNU make 4).
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync)
# What `make reproduce` runs, in this order.
MAIN := heat stefan

# OpenBLAS' idle threads spin against XLA's: small factorisations are 100 times slower on two busy cores.
export OPENBLAS_NUM_THREADS ?= 1
# On Linux, temporaries of a step come in pages of 2 MB: 512 times fewer of them to ask the kernel for.
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1
# Seeds, tests and clones compile the same programs; a folder that may be deleted at any time keeps them all, those
# too that take less than a second: they are the most.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/jaxsci
CACHE_MB := 4096
export JAX_COMPILATION_CACHE_DIR ?= $(CACHE)/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1

.DEFAULT_GOAL := help
.PHONY: help venv peers forecast-peers bounded-cache reproduce smoke tables test test-all test-lowest wrong-input \
	check format bench docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

venv: $(INSTALLED) ## Make the environment .venv, pinned by constraints.txt

# $(1) folder, $(2) constraints, $(3) what to install. A folder that an interrupted call left
# without pip is made again; the stamp that follows is written last.
define install
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("make expected Python 3.11 or newer, got %d.%d at $(PYTHON); name another one, as in make PYTHON=python3.12." % sys.version_info[:2])'
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1)
	@echo "Installing into $(1), pinned by $(2)"
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(2) --editable '$(3)'
	@touch $@
endef

$(INSTALLED): pyproject.toml constraints.txt
	$(call install,$(VENV),constraints.txt,.[dev])

$(VENV)/.docs: $(INSTALLED)
	$(call install,$(VENV),constraints.txt,$(DEV_AND_DOCS))

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	$(call install,$(LOWEST),constraints-lowest.txt,.[test])

peers: $(PEERS)/.installed ## Make the environment of the codes that reproduce-solver-speed is compared with

$(PEERS)/.installed: constraints-peers.txt
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-peers.txt
	@touch $@

forecast-peers: $(FORECAST_PEERS)/.installed ## Make the environment that three experiments on series find neuralforecast in

$(FORECAST_PEERS)/.installed: constraints-forecast-peers.txt
	@$(PYTHON) -m venv --clear $(FORECAST_PEERS)
	@$(FORECAST_PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints-forecast-peers.txt
	@touch $@

# JAX removes nothing from its cache without a further package: past the bound it begins anew.
bounded-cache:
	@[ ! -d '$(CACHE)/jax' ] || [ $$(du -sm '$(CACHE)/jax' | cut -f1) -lt $(CACHE_MB) ] || rm -rf '$(CACHE)/jax'

reproduce: $(INSTALLED) ## Main job: reproduce-heat, then reproduce-stefan (PRESET=cpu)
	@status=0; \
	for name in $(MAIN); do \
		$(MAKE) --no-print-directory reproduce-$$name || status=1; \
	done; \
	for name in $(MAIN); do \
		table=results/$$name/$(PRESET)/table.md; \
		echo; if [ -f $$table ]; then cat $$table; else echo "$$name has no results"; fi; \
		find results/$$name/$(PRESET) -name '*.png' 2>/dev/null | sort | sed 's/^/Figure: /'; \
	done; \
	exit $$status

reproduce-solver-speed: $(PEERS)/.installed

reproduce-%: $(INSTALLED) ## One experiment, as in reproduce-solvers (PRESET=smoke, cpu or paper; DATA, a folder; OPTIONS)
	$(RUN) jaxsci run $* --preset $(PRESET) $(if $(DATA),--data.root '$(DATA)') $(OPTIONS)

smoke: $(INSTALLED) bounded-cache ## Every experiment with its smallest preset, from scratch, JOBS at a time
	@names=$$($(RUN) jaxsci list --names) || exit 1; \
	$(MAKE) --no-print-directory --keep-going --jobs $(JOBS) $(SYNC) $$(printf 'smoke-%s ' $$names)

smoke-%: $(INSTALLED)
	@$(RUN) jaxsci run $* --preset smoke --overwrite

tables: $(INSTALLED) ## Write the numbers of record into the documents
	$(RUN) jaxsci tables $(DOCUMENTS)

# Compiling, the work of one core, takes most of the time of quick tests and smoke runs. What they
# check holds without optimisation too; `make test-all` and `make reproduce` compile as a user does.
QUICKLY := --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true \
	--xla_cpu_use_fusion_emitters=false
test test-lowest smoke: export XLA_FLAGS ?= $(QUICKLY)
smoke-%: export XLA_FLAGS ?= $(QUICKLY)

test: $(INSTALLED) bounded-cache ## The tests that take seconds each
	$(RUN) pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: $(INSTALLED) bounded-cache ## All tests
	$(RUN) pytest -n $(JOBS) --dist loadfile

test-lowest: $(LOWEST)/.installed ## The tests with the lowest versions that are supported
	$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

wrong-input: $(INSTALLED) ## Every public name called with wrong arguments: no obscure error, no silent answer
	$(RUN) pytest -p tests.wrong_input.plugin --override-ini addopts=--import-mode=importlib -m "not slow" -q $(OPTIONS)

check: $(INSTALLED) ## Style, types, layers, and that the documents' numbers are those of record
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(VENV)/bin/pyright
	$(VENV)/bin/lint-imports
	$(RUN) jaxsci tables --check $(DOCUMENTS)

format: $(INSTALLED) ## Format the code and mend what can be mended
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: $(INSTALLED) ## What the library claims about speed, measured on this machine
	$(RUN) experiments.speed.attention
	$(RUN) experiments.speed.projection
	$(RUN) experiments.speed.boon
	$(RUN) experiments.speed.convolution
	$(RUN) experiments.speed.earthformer
	$(RUN) experiments.speed.forecasting
	$(RUN) experiments.speed.spectral
	$(RUN) experiments.speed.stacks
	$(RUN) experiments.speed.streaming

docs: $(VENV)/.docs ## The documentation, into docs/_build/html
	$(RUN) sphinx -W --keep-going -b html docs docs/_build/html

clean: ## Remove environments, caches and builds; results stay
	rm -rf '$(CACHE)/jax'
	rm -rf $(VENV) $(LOWEST) $(PEERS) $(FORECAST_PEERS) .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache \
		dist docs/_build docs/jupyter_execute
	find jaxsci solvers experiments tests -name __pycache__ -type d -prune -exec rm -rf {} +
