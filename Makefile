# make train   from nothing to the chapter's table, a model and a picture
# make test    from nothing to a finished test run, linting and typing included
# make check   the quick tier: lint, types and fast tests, under a minute
# make bench   the benchmarks
# make clean   away with everything that was made here
#
# PYTHON=…     the interpreter to use, 3.11 or newer      TORCH=no     leave PyTorch out of the tests
# ARGS=…       more arguments for softreg train

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
NATIVE := pyproject.toml CMakeLists.txt $(wildcard native/*)
WERROR := -C cmake.define.SOFTREG_WERROR=ON

.PHONY: train test check lint bench clean

train: $(VENV)/.installed
	@scripts/fashion-mnist.sh $(BIN)/python
	@$(BIN)/softreg train fashion-mnist $(ARGS)

test: $(VENV)/.tools lint
	@scripts/fashion-mnist.sh $(BIN)/python || echo "Fashion-MNIST could not be had: its tests will be skipped" >&2
	$(BIN)/python -m pytest

check: $(VENV)/.tools lint
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow"

lint: $(VENV)/.tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.tools
	$(BIN)/python benchmarks/chapter.py
	$(BIN)/python benchmarks/chapter_seeds.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/report.py

# Editable: a change of Python needs no new installation, only one of the native code or of pyproject.toml does.
$(VENV)/.installed: $(NATIVE) | $(BIN)/pip
	@scripts/preflight.sh >/dev/null
	@echo "building softreg …" >&2
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.tools: $(NATIVE) constraints.txt | $(BIN)/pip
	@scripts/preflight.sh >/dev/null
	@echo "building softreg, with what its tests need …" >&2
	@$(PIP) install $(WERROR) -c constraints.txt --editable '.[test$(if $(filter no,$(TORCH)),,,torch)]'
	@touch $(VENV)/.installed $@

$(BIN)/pip:
	@python=$$(scripts/preflight.sh) && $$python -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis fashion-mnist.safetensors fashion-mnist.png
