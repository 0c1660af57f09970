"""Nothing is fetched, started or written that nobody asked for, and no file can bring code."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for place in ("silencer_core", "nodes") for path in (ROOT / place).rglob("*.py")
)
RUNS_PROGRAMS = {"silencer_core/generators/mini/voices.py"}  # speech synthesis, to train only

WATCHED = """
import sys

def watch(event, arguments):
    looks_for_ipv6 = event == "socket.bind" and arguments[1] == ("::1", 0)  # urllib3, on import
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"network: {event} {arguments}")
    if event == "socket.bind" and not looks_for_ipv6:
        raise SystemExit(f"network: {event} {arguments}")
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"):
        raise SystemExit(f"program: {event} {arguments}")
    if WRITES and event == "open":
        path, mode, flags = arguments
        if isinstance(mode, str) and set(mode) & set("wax+") and str(path) != "/dev/null":
            raise SystemExit(f"written: {path}")

WRITES = False
"""

IMPORTS = """
import importlib, pkgutil, silencer_core
import torch, diffusers, transformers, PIL.Image, scipy.ndimage  # others do as they like
sys.addaudithook(watch)
WRITES = True
for module in pkgutil.walk_packages(silencer_core.__path__, "silencer_core."):
    importlib.import_module(module.name)
print("clean")
"""

PROTECTS = """
sys.addaudithook(watch)
from tiny import babble, drawn_photo, mask_of_face, tiny_generator
from silencer_core.photo import Photo
from silencer_core.presets import PRESETS, with_steps
from silencer_core.protect import protect
protect(
    Photo(drawn_photo(96)), tiny_generator(), [babble(seconds=0.3)],
    with_steps(PRESETS["fast"], 1), face_mask=mask_of_face(96),
)
print("clean")
"""


@pytest.mark.parametrize("program", [IMPORTS, PROTECTS], ids=["import", "protect"])
def test_no_network_and_no_other_program(program, tmp_path):
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "clean", done.stderr[-500:]
    assert list(tmp_path.iterdir()) == []


def calls(path: Path):
    """Every call in a file as (dotted name, node)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_brings_code(path):
    for name, node in calls(path):
        options = {word.arg: ast.unparse(word.value) for word in node.keywords}
        assert name not in ("eval", "exec", "compile", "__import__", "os.system", "os.popen")
        assert not name.startswith(("pickle.", "marshal.", "shelve.", "dill.", "joblib."))
        assert options.get("shell", "False") == "False"
        assert options.get("allow_pickle", "False") == "False"
        assert options.get("trust_remote_code", "False") == "False"
        if name == "torch.load":
            assert options.get("weights_only") == "True"
        if name.startswith("subprocess."):
            assert str(path.relative_to(ROOT).as_posix()) in RUNS_PROGRAMS


def test_the_lock_names_every_dependency_with_hashes():
    project = (ROOT / "pyproject.toml").read_text()
    wanted = set(re.findall(r'"([a-z0-9-]+)>=[\d.]+"', project)) - {"setuptools"}
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements-dev.lock").read_text().strip())
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert wanted <= {entry.split("==")[0] for entry in entries}
