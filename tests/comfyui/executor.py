"""ComfyUI's real executor in a process of its own, with the pack in it, and no server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from install import PACK, comfyui_folder, comfyui_python

INSIDE = Path(__file__).with_name("inside.py")


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """One node of a prompt."""
    return {"class_type": kind, "inputs": inputs}


class Executor:
    """Starts it; ends with the process that started it.

    Args:
        base: an empty folder for all that it reads and writes.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        for name in ("input", "output", "custom_nodes", "models"):
            (base / name).mkdir()
        (base / "index.html").write_text("<!doctype html><title>none</title>")
        # A name that is no Python name: ComfyUI loads packs by path.
        pack = base / "custom_nodes" / "silencer-1.0"
        pack.symlink_to(PACK, target_is_directory=True)
        self.log = base / "log.txt"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [str(comfyui_python()), str(INSIDE), str(pack), str(base)],
                cwd=comfyui_folder(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
            )
        self.began = self._answer()

    def ask(self, do: str, **arguments: Any) -> Any:
        """One of the functions of `inside.py`, and what it says."""
        self._process.stdin.write(json.dumps({"do": do} | arguments) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def run(self, prompt: dict[str, Any], cancel: dict[str, Any] | None = None) -> dict[str, Any]:
        """Execute a prompt; `cancel` says which node to stop once its progress is at a value."""
        return self.ask("run", prompt=prompt, cancel=cancel)

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"ComfyUI ended:\n{self.log.read_text()[-4000:]}")
        return json.loads(line)
