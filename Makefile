# Needs: python3 >= 3.11 with pip, make. Everything else comes from uv.lock.

# uv looks at the system's certificates too, so that it works behind a company proxy.
export UV_SYSTEM_CERTS = 1
PYTHON ?= python3
PORT ?= 8000
UV = $(shell command -v uv || echo .tools/bin/uv)

.DEFAULT_GOAL := help
.PHONY: help sync run test format screenshots clean

help:
	@echo "make run     start Kansen on http://127.0.0.1:$(PORT) (PORT=8001 picks another port)"
	@echo "make test    linters, types and all tests (STEPS='lint sqlite' runs only these)"
	@echo "make format  mend what the linters can mend themselves"
	@echo "make screenshots  take the README's pictures anew, from the demo's data"
	@echo "make sync    only make the environment in .venv"
	@echo "make clean   remove the environment and what tools left behind; data in var/ stays"

sync: .venv/.synced

.venv/.synced: pyproject.toml uv.lock
	@command -v uv >/dev/null || test -x .tools/bin/uv || \
	  $(PYTHON) -m pip install -q --disable-pip-version-check --root-user-action=ignore --target .tools "uv>=0.13,<1"
	@$(UV) sync --frozen -q
	@touch $@

run: sync
	@PORT=$(PORT) bash scripts/run.sh

test: sync
	@.venv/bin/python scripts/test.py $(STEPS)

format: sync
	-@.venv/bin/ruff check -q --fix-only
	-@.venv/bin/ruff format -q
	-@.venv/bin/djade --target-version 5.2 $$(find templates -name '*.html')

screenshots: sync
	@.venv/bin/python scripts/screenshots.py

clean:
	rm -rf .venv .tools .coverage .coverage.* htmlcov test-results .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
