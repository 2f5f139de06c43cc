# Two commands: `make course` runs the lessons, `make test` proves them. Both set up what they need.
PYTHON ?= python3
PROFILE ?= drawn
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python
# Two tests at a time: one alone leaves half of two cores idle.
TESTS := $(RUN) -m pytest -n 2 --dist loadgroup

.PHONY: course lab check test test-all bench lock clean

course: $(VENV)/.ready  ## run lessons 00 to 04, skipping those already run
	$(RUN) -m utils.course run --profile $(PROFILE)

lab: $(VENV)/.ready  ## open JupyterLab on the lessons; PROFILE=photos opens copies set up for that
	$(RUN) -m utils.course lab --profile $(PROFILE)

check: $(VENV)/.ready-tests  ## the quick part of the tests: lints, units, one lesson with few pictures
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(TESTS) -m "check and not nightly" tests

test: $(VENV)/.ready-tests  ## lints, units, faults, a browser, the core as stored, the rest with few pictures
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(TESTS) tests

test-all: $(VENV)/.ready-tests  ## all that, and what takes hours: every lesson everywhere, and who tests the tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(RUN) -m pytest -m "" --cov=utils tests
	$(RUN) -m tests.benchmarks.remedies
	$(RUN) -m tests.benchmarks.mutants 24
	$(RUN) -m tests.benchmarks.soak

bench: $(VENV)/.ready  ## measure the course's ways against others'; half an hour on quiet cores
	$(RUN) -m tests.benchmarks.bench

# OpenVINO asks for a package that reports its use to its makers, and works without. So the lock leaves
# it out, and is installed with --no-deps: it names everything else.
lock: $(VENV)/.ready  ## resolve pyproject.toml into requirements.lock (needs uv)
	uv pip compile --universal --fork-strategy fewest --generate-hashes --no-header --no-annotate \
	  --no-emit-package openvino-telemetry --no-emit-index-url --no-emit-find-links \
	  --extra test --extra fast --python-version 3.11 \
	  pyproject.toml --output-file requirements.lock

clean:  ## remove the environment and everything in data/ but its card
	rm -rf $(VENV) transfer_learning_course.egg-info .coverage
	find data -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 14) else \
	  "This course needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(RUN) -m pip install --disable-pip-version-check --no-deps --no-build-isolation --quiet -e .
	touch $@

# TEMPORARY, until the environment is split into a learner's and the tests' part.
$(VENV)/.ready-tests: $(VENV)/.ready
	touch $@
