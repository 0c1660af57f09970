"""The workflows exactly as a user opens them, every step of them, in a running ComfyUI.

Run with: .comfyui/venv/bin/python -m pytest -m "comfyui and slow" -s tests/comfyui
"""

from __future__ import annotations

import json
import time

import pytest
from convert import to_prompt
from server import Server
from small import WORKFLOWS

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

QUICK = 300  # seconds that a new user waits for quick_protect, on two cores


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_runs_to_its_end(path, tmp_path):
    server = Server(tmp_path).wait()
    try:
        prompt = to_prompt(json.loads(path.read_text()), server.get("/object_info"))
        began = time.monotonic()
        run = server.run(prompt, seconds=3600)
        took = time.monotonic() - began
    finally:
        server.stop()
    print(f"{path.stem}: {took:.0f} s")
    assert run.end.kind == "execution_success", run.end
    assert path.stem != "quick_protect" or took < QUICK
    said = server.said().split("got prompt")[-1]
    assert not [word for word in ("Traceback", "Warning", "WARNING", "ERROR") if word in said], said
