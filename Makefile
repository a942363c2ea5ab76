# make run: the answer. make test: the tests. make bench: how fast it is. make check: lint, types, import contracts, language. make fix: format.
# make soak: the long forms of tests that are short in make test.
# make test-install: the wheel works in an empty environment, outside this checkout.
# make test-slurm, make test-ray: the tests with a real SLURM or Ray cluster, which are started here for that.
# make test-llm: the tests that ask a real LLM behind a real endpoint. make test-trackers: those that export to MLflow and trackio.
# make resolve: whether pip finds every package for every Python.
export PYTHONDONTWRITEBYTECODE := # otherwise each of the many processes of the tests compiles bench anew
PYTHON ?= python3
BIN := .venv/bin

PYTHONS := 3.11 3.12 3.13 3.14
PLATFORMS := $(foreach glibc,17 24 27 28,manylinux_2_$(glibc)_x86_64) manylinux2014_x86_64 manylinux1_x86_64

.PHONY: run bench test test-llm test-long test-slurm test-ray test-trackers soak soak-faults soak-hour test-install browser check fix lock resolve clean

run: .venv/run
	$(BIN)/bench run suites/pegasus.yaml

bench: .venv/test
	$(BIN)/python -m benchmarks

test: .venv/test browser
	$(BIN)/pytest -n logical --dist worksteal

test-long: SEED := $(or $(SEED),$(shell date +%s))
test-long: DRAWS ?= 1000
test-long: .venv/test
	@echo "$(DRAWS) suites of seed $(SEED): make test-long SEED=$(SEED) DRAWS=$(DRAWS) draws them again"
	BENCH_DRAWS=$(DRAWS) $(BIN)/pytest -n logical --hypothesis-seed=$(SEED) \
		tests/forecast/test_plan_and_run_agree.py tests/execution/test_interrupted_runs.py

# A hundred thousand hostile inputs, a thousand races for one artifact and each fault at every write of a run; beside that, an hour of small
# suites whose process must not grow.
soak: .venv/test
	$(MAKE) --jobs=2 --output-sync=line soak-faults soak-hour

soak-faults: SEED := $(or $(SEED),$(shell date +%s))
soak-faults: DRAWS ?= 100000
soak-faults: RACES ?= 1000
soak-faults: .venv/test
	@echo "$(DRAWS) inputs of seed $(SEED): make soak-faults SEED=$(SEED) DRAWS=$(DRAWS) draws them again"
	BENCH_DRAWS=$(DRAWS) $(BIN)/pytest -n logical --hypothesis-seed=$(SEED) tests/fuzz
	BENCH_RACES=$(RACES) $(BIN)/pytest tests/execution/test_shared_store.py
	BENCH_FAULTS=all $(BIN)/pytest -n logical -rP tests/execution/test_faults.py

soak-hour: MINUTES ?= 60
soak-hour: .venv/test
	SOAK_MINUTES=$(MINUTES) $(BIN)/pytest --capture=no tests/soak

test-llm: .venv/test .venv/llm/done
	BENCH_LLM_PYTHON=$(CURDIR)/.venv/llm/bin/python $(BIN)/pytest tests/llm

# Debian's SLURM, one node on this machine; where it cannot be had those tests are skipped, and say so.
test-slurm: .venv/test
	@command -v slurmctld > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm slurm-client munge > /dev/null; } \
		|| echo "no SLURM here, and it cannot be installed"
	BENCH_SLURM=1 $(BIN)/pytest -rs tests/executors/test_slurm_cluster.py

test-ray: .venv/ray
	$(BIN)/pytest --capture=no tests/executors/test_ray_cluster.py

test-trackers: .venv/test .venv-trackers/done
	BENCH_TRACKERS=$(CURDIR)/.venv-trackers $(BIN)/pytest tests/trackers

# The wheel in an empty environment, used outside this checkout.
AWAY := $(CURDIR)/build/install
test-install:
	rm -rf build *.egg-info && mkdir -p $(AWAY)/away
	$(PYTHON) -m venv $(AWAY)/venv
	$(AWAY)/venv/bin/pip wheel --quiet --no-deps --wheel-dir $(AWAY)/dist .
	$(AWAY)/venv/bin/pip install --quiet -r requirements/run.txt
	$(AWAY)/venv/bin/pip install --quiet --no-deps $(AWAY)/dist/costbench-*.whl
	cd $(AWAY)/away && export BENCH_CACHE=$(AWAY)/cache PATH=$(AWAY)/venv/bin:$$PATH \
		&& bench run smoke \
		&& ! bench plan pegasus --no-calibrate 2> refused.txt && grep --quiet "bench setup" refused.txt \
		&& bench setup pegasus && bench plan pegasus --no-calibrate

# Debian's Chromium, for tests/browser; where it cannot be had those tests are skipped, and say so.
browser:
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null; } \
		|| echo "no chromium here, and it cannot be installed: tests/browser will be skipped"

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/test_language.py tests/test_no_prose.py
	$(BIN)/bench check suites/*.yaml suites/papers/*.yaml

fix: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/run: requirements/run.txt requirements/zoo.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements/run.txt
	$(BIN)/pip install --quiet --no-deps --ignore-requires-python --require-hashes -r requirements/zoo.txt
	$(BIN)/pip uninstall --quiet --yes bench # its name before it was costbench
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

.venv/test: .venv/run requirements/test.txt
	$(BIN)/pip install --quiet -r requirements/test.txt
	touch $@

.venv/ray: .venv/test requirements/ray.txt
	$(BIN)/pip install --quiet -r requirements/ray.txt
	touch $@

# An environment of its own: pip builds llama.cpp from source, for which it needs a C++ compiler and some minutes.
.venv/llm/done: requirements/llm.txt
	$(PYTHON) -m venv .venv/llm
	.venv/llm/bin/pip install --quiet -r requirements/llm.txt
	touch $@

# An environment of its own: MLflow's server needs an older pyarrow than run.txt pins, and trackio an older Pillow.
.venv-trackers/done: requirements/trackers.txt
	$(PYTHON) -m venv .venv-trackers
	.venv-trackers/bin/pip install --quiet -r requirements/trackers.txt
	touch $@

# What was tested, pinned anew from pyproject.toml in an empty environment.
lock:
	rm -rf .venv/lock && $(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet . && .venv/lock/bin/pip freeze --exclude costbench | sed 's/+cpu//' > requirements/run.txt
	.venv/lock/bin/pip install --quiet '.[test]' && .venv/lock/bin/pip freeze --exclude costbench | sed 's/+cpu//' | grep -vxFf requirements/run.txt > requirements/test.txt
	rm -rf .venv/lock

# Installs nothing. rouge-score, which is pure Python, has no wheel, so it is left out.
RESOLVE := $(PYTHON) -m pip install --dry-run --quiet --no-deps --ignore-installed --only-binary=:all: $(PLATFORMS:%=--platform %) --target build/resolve
resolve:
	@for python in $(PYTHONS); do for file in run test; do echo "Python $$python, requirements/$$file.txt"; \
		grep -v '^rouge_score==' requirements/$$file.txt | $(RESOLVE) --python-version $$python -r /dev/stdin || exit 1; done; \
		echo "Python $$python, requirements/zoo.txt"; \
		$(RESOLVE) --python-version $$python --ignore-requires-python --require-hashes -r requirements/zoo.txt || exit 1; done

clean:
	rm -rf .venv .venv-trackers build *.egg-info
