# Set-up and everyday commands: `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV = .venv
VENV_ACCELERATOR = .venv-accelerator
# Tests at once: one more than there are cores, since many wait, and four at the most, for their memory.
at_once = $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 4 ? cores + 1 : 4)))
WHEELHOUSE = wheelhouse

# Any chip but the CPU comes with a vendor's image; tables and lists need no framework and take what there is.
bench_venv := $(if $(filter-out cpu %/cpu.yaml,$(CHIP)),$(VENV_ACCELERATOR),$(VENV))
any_venv := $(firstword $(wildcard $(bench_venv) $(VENV) $(VENV_ACCELERATOR)) $(bench_venv))

# The value of a variable as one word of the shell, whatever is in it: blanks, apostrophes, dollars.
quoted = '$(subst ','\'',$(value $(1)))'
option = $(if $(value $(2)), --$(1) $(call quoted,$(2)))
results_options = $(call option,suite,SUITE)$(call option,results,RESULTS)
bench_options = $(call option,chip,CHIP)$(call option,model,MODEL)$(call option,framework,FRAMEWORK)$\
	$(call option,preset,PRESET)$(call option,data,DATA)$(call option,mapping,MAPPING)$(call option,weights,WEIGHTS)$\
	$(call option,devices,DEVICES)$(call option,nodes,NODES)$(call option,repeats,REPEATS)$(results_options)$(if $(filter-out 0,$(FRESH)), --fresh)$(if $(filter-out 0,$(FIT)), --fit)
project_options = $(call option,chip,CHIP)$(call option,variant,VARIANT)$(call option,model,MODEL)$(call option,preset,PRESET)$\
	$(call option,data,MAPPING)$(call option,framework,FRAMEWORK)$(call option,execution,EXECUTION)$\
	$(call option,devices,DEVICES)$(call option,results,RESULTS)
rehearse_options = $(call option,chip,CHIP)$(call option,suite,SUITE)$(call option,repeats,REPEATS)$(if $(filter-out 0,$(FRESH)), --fresh)
any_python = $(if $(filter file,$(origin PYTHON)), --any-python)
wheelhouse_options = $(call option,python,PY)$(call option,arch,ARCH)$(call option,image,IMAGE)

.PHONY: help venv wheelhouse bench project rehearse tables claims parity figures report bundle list schemas test fuzz lint benchmarks lock clean $(VENV)\
	$(VENV_ACCELERATOR)

help: ## List the targets and variables
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Select with CHIP= SUITE= MODEL= FRAMEWORK= PRESET= DATA= MAPPING= WEIGHTS= DEVICES= NODES= REPEATS= RESULTS= FRESH=1 FIT=1 LEDGER=;"
	@echo "PYTHON= names the Python to set up with, 3.10 to 3.12."

venv: $(bench_venv) ## Make the virtual environment, or bring it up to date

wheelhouse: $(VENV) ## Gather the wheels of a set-up on a machine without network (PY= ARCH= IMAGE=)
	@$</bin/python -m harness.wheelhouse $(call quoted,WHEELHOUSE)$(wheelhouse_options)

bench: $(bench_venv) ## Train, run and compare the models of a suite
	@$</bin/crosscast bench$(bench_options)

tables: $(any_venv) ## Print and write the tables of the records
	@$</bin/crosscast tables$(results_options)

claims: $(any_venv) ## Say which claims of a study the records confirm or refute
	@$</bin/crosscast claims$(call option,ledger,LEDGER)$(call option,results,RESULTS)

rehearse: $(VENV) ## Rehearse a chip that is not here, with stand-ins for it (CHIP= FRESH=1)
	@$</bin/crosscast rehearse$(rehearse_options)

parity: $(bench_venv) ## Certify that the ports are the same networks
	@$</bin/crosscast parity$(if $(value MODEL), $(call quoted,MODEL))$(call option,chip,CHIP)$\
		$(call option,framework,FRAMEWORK)$(call option,preset,PRESET)$(call option,results,RESULTS)

project: $(any_venv) ## Project models onto a chip that is not here, from records (CHIP= MODEL= PRESET= DEVICES=)
	@$</bin/crosscast project$(project_options)

figures: $(any_venv) ## Draw all figures of the records, with their data
	@$</bin/crosscast figures$(results_options)

report: $(any_venv) ## Write one HTML file with all tables and figures
	@$</bin/crosscast report$(results_options)

bundle: $(any_venv) ## Pack logs, records and the environment, without private names, to send home
	@$</bin/crosscast bundle$(call option,results,RESULTS)$(call option,out,OUT)

list: $(any_venv) ## Show suites, models, chips and what can run here
	@$</bin/crosscast list

schemas: $(any_venv) ## Write the JSON Schemas of the scenario files
	@$</bin/crosscast schemas

test: lint ## Check the style and types, then run the tests
	$(VENV)/bin/pytest -m 'not alone' -n $(at_once) --dist loadscope --durations 30
	$(VENV)/bin/pytest -m alone

fuzz: $(VENV) ## Search for inputs that break a reader, 500 times as long as the tests do (TIMES=)
	CROSSCAST_FUZZ_TIMES=$(or $(TIMES),500) $(VENV)/bin/pytest tests/fuzz

lint: $(VENV) ## Check style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

benchmarks: $(VENV) ## Measure the harness itself
	$(VENV)/bin/pytest tests/benchmarks

lock: ## Pin what pyproject.toml newly needs in constraints.txt (needs uv; delete the file first to renew all pins)
	printf 'hatchling\neditables\n' | uv pip compile --quiet --universal --python-version 3.10 --all-extras \
		--no-annotate --custom-compile-command 'make lock' --output-file constraints.txt pyproject.toml -

clean: ## Remove the virtual environments and caches; records stay
	rm -rf $(VENV) $(VENV_ACCELERATOR) $(VENV).lock $(VENV_ACCELERATOR).lock
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks kernel_meta rank_*
	find harness collectors scenarios tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV):
	@$(call quoted,PYTHON) harness/setup_venv.py$(any_python) $@

$(VENV_ACCELERATOR):
	@$(call quoted,PYTHON) harness/setup_venv.py$(any_python) --accelerator $@
