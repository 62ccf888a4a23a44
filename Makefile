# The daily round. `make demo` and `make test` set up what they need: Python >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check format bench score faults pictures clean

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,fast]'
	@touch $(STAMP)

demo: $(STAMP)  ## the whole path on a sample magazine, into a mailbox on this machine
	@$(BIN)/digest demo

test: $(STAMP)  ## every test, on SQLite and PostgreSQL
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(STAMP)  ## format, lint, strict types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP)  ## the send benchmark; the others are in docs/benchmarks.md
	@$(BIN)/python tests/bench/send.py

score: $(STAMP)  ## how well feeds, pages, stories and sections are judged, on the corpus that DIGEST_CORPUS names
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[score]'
	@$(BIN)/python tests/score/run.py

faults: $(STAMP)  ## every fault test at full size, hours of it; one table, raw logs below build/
	@$(BIN)/python tests/faultrows.py

pictures: $(STAMP)  ## every mail at three widths, light and dark, images off, styles off, into pictures/; wants a Chromium
	@$(BIN)/python tests/pictures.py

clean:
	rm -rf $(VENV) build dist demo pictures
