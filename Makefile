# Targets: install, train, test, test-all and lint. They need Python 3.11 to 3.13.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install train test test-all lint
install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# Train for 3 of the recipe's 30 epochs. The full run is: ptycho-train model=ppn loss=weighted
train: $(INSTALLED)
	@echo "Shortened run: 3 of the recipe's 30 epochs; its metrics are worse than those of the full run."
	$(BIN)/ptycho-train model=ppn loss=weighted recipe.epochs=3 study=first_run

test: export OMP_NUM_THREADS = 1
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m ""

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/lint-imports
