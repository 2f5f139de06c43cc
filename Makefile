# Two commands: `make course` runs the lessons, `make test` proves them. Both set up what they need.
PYTHON ?= python3
PROFILE ?= drawn
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python
# Two tests at a time: one alone leaves a quarter of two cores idle.
TESTS := $(RUN) -m pytest -n 2 --dist loadgroup

.PHONY: course lab extras page kit site check test test-all bench lock clean

course: $(VENV)/.ready  ## run lessons 00 to 04, skipping those already run
	$(RUN) -m utils.course run --profile $(PROFILE)

lab: $(VENV)/.ready  ## open JupyterLab on copies of the lessons; PROFILE=photos sets them up, SOLUTIONS=1 solves them
	$(RUN) -m utils.course lab --profile $(PROFILE) $(if $(SOLUTIONS),--solutions)

extras: $(VENV)/.ready-extras  ## install what lessons 21 and 22 need besides, and the faster engine of lesson 15

page: $(VENV)/.ready  ## show what lesson 21's classifier sees in a photograph of yours
	$(RUN) -m utils.course page --profile $(PROFILE)

kit: $(VENV)/.ready  ## write a folder for a USB stick, for rooms without a network; KIT=folder says where
	$(RUN) -m utils.course kit $(if $(KIT),--folder "$(KIT)")

site: $(VENV)/.ready-tests  ## build the course as a static site in data/site; SITE=folder says where else
	$(RUN) -m utils.course site $(if $(SITE),--folder "$(SITE)")

check: $(VENV)/.ready-tests  ## the quick part of the tests: lints, units, one lesson with few pictures
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(TESTS) -m "check and not nightly" tests

test: $(VENV)/.ready-tests  ## lints, units, faults, a browser, the core as stored, the rest with few pictures
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(TESTS) tests

test-all: $(VENV)/.ready-tests  ## all that, and what takes hours: every lesson everywhere, and who tests the tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(TESTS) -m "" --cov=utils tests
	$(RUN) -m tests.benchmarks.remedies
	$(RUN) -m tests.benchmarks.mutants 24
	$(RUN) -m tests.benchmarks.soak

bench: $(VENV)/.ready-tests  ## measure the course's ways against others'; half an hour on quiet cores
	$(RUN) -m tests.benchmarks.bench

# OpenVINO asks for a package that reports its use to its makers, and works without. So the locks leave
# it out, and are installed with --no-deps: they name everything else. The second holds what the extras
# add to the first, the third what tests add to both, at versions that agree.
RESOLVE := uv pip compile --universal --fork-strategy fewest --generate-hashes --no-header --no-annotate \
  --no-emit-package openvino-telemetry --no-emit-index-url --no-emit-find-links --python-version 3.11
without = $(1:%=--constraint %) $$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' $(1))

lock:  ## resolve pyproject.toml into the three locks (needs uv)
	$(RESOLVE) pyproject.toml --output-file requirements.lock
	$(RESOLVE) --extra fast --extra ship --extra scale $(call without,requirements.lock) \
	  pyproject.toml --output-file requirements-extras.lock
	$(RESOLVE) --extra test --extra site $(call without,requirements.lock requirements-extras.lock) \
	  pyproject.toml --output-file tests/requirements.lock

clean:  ## remove the environment and everything in data/ but its card and learners' copies
	rm -rf $(VENV) transfer_learning_course.egg-info .coverage
	find data -mindepth 1 -maxdepth 1 ! -name README.md ! -name lab -exec rm -rf {} +

INSTALL := $(RUN) -m pip install --disable-pip-version-check

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 14) else \
	  "This course needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes --no-deps -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --quiet -e .
	touch $@

# What lessons 21 and 22 and the faster engine of lesson 15 need.
$(VENV)/.ready-extras: requirements-extras.lock $(VENV)/.ready
	$(INSTALL) --require-hashes --no-deps -r requirements-extras.lock
	touch $@

$(VENV)/.ready-tests: tests/requirements.lock $(VENV)/.ready-extras
	$(INSTALL) --require-hashes --no-deps -r tests/requirements.lock
	touch $@
