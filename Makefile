# What the repository can do; `make` alone lists it. Every path is relative, so that the
# checkout may lie anywhere, in folders with spaces too.

VENV ?= .venv
PY = "$(VENV)/bin/python"
CRM = "$(VENV)/bin/crm"
PIP = $(PY) -m pip --disable-pip-version-check --no-input
LOCKED = $(PIP) install --quiet --progress-bar off --require-hashes --only-binary :all:
# Searched for only when a .venv has to be made.
PYTHON ?=
ARGS ?=
NAMES ?=
TESTS ?=
NAME ?=
UPGRADE ?=
JOBS ?= 2
NBVAL = --nbval --nbval-current-env --nbval-cell-timeout=300 --nbval-kernel-startup-timeout=120

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev venv reports test bench published lab data notebooks new lock lint clean
.SUFFIXES:

help: ## list what can be made
	@echo "make TARGET [VARIABLE=value]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.12       the interpreter to make .venv with (3.11 or newer)"
	@echo "  VENV=\"\$$CONDA_PREFIX\"   an environment that is there already, instead of .venv"

reports: setup data ## set everything up and run the plan in reports.yml (ARGS=--force, ARGS=NAME)
	@$(CRM) report run $(ARGS)

test: setup-dev data ## set everything up and run all tests (TESTS=tests/test_frames.py for some)
	@failed=0; \
	$(PY) -m pytest --numprocesses $(JOBS) --dist loadfile $(TESTS) || failed=1; \
	$(if $(strip $(TESTS)),,$(PY) -m pytest $(NBVAL) --numprocesses $(JOBS) --dist loadfile notebooks || failed=1;) \
	exit $$failed

bench: setup-dev data ## this package against its peers in one run (ARGS=retention for one)
	@$(PY) -m benchmarks $(ARGS)

published: setup-dev data ## published numbers beside our own, and their page in reports/ (ARGS=KEY for one)
	@$(PY) -m published $(ARGS)

lab: setup data ## open the notebooks in JupyterLab
	@$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(ARGS)

data: setup ## download the data wheels that are missing, check their hashes
	@$(CRM) data fetch

notebooks: setup data ## execute notebooks as they are committed (NAMES=02_cohorts for one)
	@$(CRM) notebook run $(NAMES)

new: setup ## start a notebook from the template: make new NAME=05_rfm
	@$(CRM) notebook new "$(NAME)"

lint: setup-dev ## ruff on code and notebooks, types, the notebooks' own rules
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(CRM) notebook lint

# Versions already locked stay unless UPGRADE=1; the second lock builds on the first.
COMPILE = $(PY) -m uv pip compile pyproject.toml --extra lab --extra build --extra pdf --universal --python-version 3.11 \
	--generate-hashes --no-header --only-binary :all: --quiet $(if $(UPGRADE),--upgrade)
lock: setup-dev ## renew the locks after a change of pyproject.toml (UPGRADE=1 for newer versions)
	@$(COMPILE) -o requirements.lock
	@$(COMPILE) --extra dev -c requirements.lock -o requirements-dev.lock
	@echo "requirements.lock and requirements-dev.lock are up to date"

clean: ## remove caches and build products; never .venv, reports or downloaded data
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build ./*.egg-info
	@find crmlib tests notebooks -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# The environment holds a copy of the lock it was filled from, and what its editable install was
# made from: as long as they are the same, nothing is installed.
setup: venv
	@cmp -s requirements.lock "$(VENV)/.crmlib.lock" || { \
	  echo "installing $$(grep -c '^[a-z0-9]' requirements.lock) packages from requirements.lock (first time: 1-3 minutes) ..." && \
	  $(LOCKED) -r requirements.lock && \
	  cp requirements.lock "$(VENV)/.crmlib.lock"; }
	@$(install-crmlib)

setup-dev: venv
	@cmp -s requirements-dev.lock "$(VENV)/.crmlib-dev.lock" && cmp -s requirements.lock "$(VENV)/.crmlib.lock" || { \
	  echo "installing $$(grep -c '^[a-z0-9]' requirements-dev.lock) packages from requirements-dev.lock (first time: 1-3 minutes) ..." && \
	  $(LOCKED) -r requirements-dev.lock && \
	  cp requirements.lock "$(VENV)/.crmlib.lock" && cp requirements-dev.lock "$(VENV)/.crmlib-dev.lock"; }
	@$(install-crmlib)

define install-crmlib
{ pwd -P; cat pyproject.toml; } | cmp -s - "$(VENV)/.crmlib.install" || { \
  echo "installing crmlib (editable) ..." && \
  $(PIP) install --quiet --progress-bar off --no-deps --no-build-isolation --editable . && \
  { pwd -P; cat pyproject.toml; } > "$(VENV)/.crmlib.install"; }
endef

# An environment without pip is what Debian leaves behind when python3-venv is missing.
venv:
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
	  if [ -e "$(VENV)" ] && [ ! -e "$(VENV)/pyvenv.cfg" ]; then \
	    echo "error: $(VENV) is there but is no Python environment with pip; name another with VENV=..." >&2; exit 1; fi; \
	  python="$(PYTHON)"; \
	  for candidate in $${python:-python3.13 python3.12 python3.11 python3 python}; do \
	    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && found=$$candidate && break; done; \
	  if [ -z "$${found:-}" ]; then \
	    echo "error: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	  fresh=; [ -e "$(VENV)" ] || fresh=1; \
	  echo "creating $(VENV) with $$("$$found" --version) ..."; \
	  "$$found" -m venv --clear "$(VENV)" >/dev/null && $(PY) -m pip --version >/dev/null 2>&1 || { \
	    [ -z "$$fresh" ] || rm -rf "$(VENV)"; \
	    echo "error: $$found cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; }
