# What the README names: install, train, test, test-all, lint. Needs Python 3.11 to 3.13 and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install train test test-all lint
install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# A shortened run: 3 of the recipe's 30 epochs. The full one: ptycho-train model=ppn loss=weighted
train: $(INSTALLED)
	@echo "Shortened run: 3 epochs of the recipe's 30; numbers fall short of the full run in README.md."
	$(BIN)/ptycho-train model=ppn loss=weighted recipe.epochs=3 study=first_run

test: export OMP_NUM_THREADS = 1
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m ""

lint: $(INSTALLED)
	$(BIN)/ruff check .
