# Everything runs in .venv, made on first use. TORCH may name another build, e.g. TORCH="torch".
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN := .venv/bin

.PHONY: demo test test-comfyui slow lint audit lock clean

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) "$(TORCH)"
	$(PIP) -e .
	touch $@

.venv/ready: .venv/installed
	$(PIP) -e ".[dev,faces,batch]"
	touch $@

# Protects a photo, makes it talk before and after, and leaves the results in out/.
# Your own: make demo ARGS="--photo me.jpg --speech me.wav"
demo: .venv/installed
	$(BIN)/silencer demo --out out $(ARGS)

# The files of tests side by side, on as many cores as there are.
test: lint
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=loadfile

# Against a real ComfyUI (in .comfyui/, or COMFYUI_DIR and COMFYUI_PYTHON), with a browser.
test-comfyui: .venv/ready
	$(BIN)/python tests/comfyui/install.py
	.comfyui/venv/bin/python -m pytest -m "comfyui and not slow" tests/comfyui

slow: .venv/ready
	$(BIN)/python -m pytest -m slow

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Known vulnerabilities of what is installed. In an environment of its own: it brings much along.
audit: .venv/ready
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.venv/audit/bin/pip-audit --path "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')"

# Every version and hash of the developers' environment, for all platforms, as of today.
lock: .venv/ready
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv/lock/bin/uv pip compile pyproject.toml --extra dev --extra faces --extra batch \
		--universal --generate-hashes --no-header --no-annotate --quiet -o requirements-dev.lock

clean:
	rm -rf .venv
