# make demo    a real head MR and an echocardiogram segmented from prompts; look into demo/
# make test    format, types and tests
# make bench   the embedded model beside the classical baselines, the companion beside the model in
#              process, the server beside nnInteractive's (PEER=python of an environment that has it),
#              clicks in a scene beside other ways to write into a segment, tracking beside optical
#              flow and demons
# make clean   remove what these made, and .venv
#
# PYTHON=python3.12 make test    chooses the Python that .venv is built from (3.10 to 3.13)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ENV := $(VENV)/.demo
TEST_ENV := $(VENV)/.test
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts -c constraints.txt

.PHONY: demo test bench clean

demo: $(DEMO_ENV)
	$(BIN)/python Resources/demo/demo.py

test: $(TEST_ENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

bench: $(TEST_ENV)
	$(BIN)/python Testing/bench/bench.py
	$(BIN)/python Testing/bench/companion.py
	$(BIN)/python Testing/bench/clicks.py
	$(BIN)/python Testing/bench/tracking.py
	$(BIN)/python Testing/bench/peer.py $(if $(PEER),--peer-python $(PEER))

clean:
	rm -rf $(VENV) demo bench build dist .pytest_cache .mypy_cache .ruff_cache
	find MedSegFoundation Resources Testing -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "medseg needs Python 3.10 or newer; name one with PYTHON=..., or install it." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing: run 'apt-get install python3-venv' as root, then make again." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The sample images come inside two wheels; --no-deps leaves out what only their code needs.
$(DEMO_ENV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the demo needs (about 200 MB) ..."
	$(PIP) -e '.[demo]'
	$(PIP) --no-deps nilearn pydicom
	@touch $@

$(TEST_ENV): $(DEMO_ENV)
	@echo "Installing what the tests need ..."
	$(PIP) -e '.[dev,torch,sam,server,ray,nninteractive,video,slicer-host]'
	@touch $@
