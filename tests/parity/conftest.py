"""Reads a folder of exact tensors of the reference generator; its meta.json says what each is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
PARITY_DIR = Path(os.environ.get("SILENCER_PARITY_DIR", ROOT / "../shared/parity/dev")).resolve()


def read(name: str) -> dict[str, torch.Tensor]:
    """The tensors of one file, none where the file is absent."""
    path = PARITY_DIR / f"{name}.safetensors"
    return load_file(path) if path.exists() else {}


def read_meta() -> dict:
    path = PARITY_DIR / "meta.json"
    return json.loads(path.read_text()) if path.exists() else {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`output_name` runs over the output tensors that a test module's OUTPUTS pattern matches,
    `run_name` over the described runs that its RUNS prefix matches."""
    if "output_name" in metafunc.fixturenames:
        pattern = metafunc.function.pattern
        names = [name for name in read("outputs") if pattern.fullmatch(name)]
        metafunc.parametrize("output_name", names)
    if "run_name" in metafunc.fixturenames:
        prefix = metafunc.function.prefix
        names = [name for name in read_meta().get("runs", {}) if name.startswith(prefix)]
        metafunc.parametrize("run_name", names)


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    if not PARITY_DIR.is_dir():
        pytest.skip(f"no reference tensors at {PARITY_DIR}; set SILENCER_PARITY_DIR")
    return PARITY_DIR


@pytest.fixture(scope="session")
def meta(parity_dir: Path) -> dict:
    return read_meta()


class Tensors(dict):
    """The tensors of a file; asking for one that was left out skips the test that asks."""

    def __missing__(self, name: str) -> torch.Tensor:
        pytest.skip(f"{name} is not in this folder")


@pytest.fixture(scope="session")
def load(parity_dir: Path):
    """`load(name)`: the tensors of one file."""
    cache: dict[str, Tensors] = {}

    def get(name: str) -> Tensors:
        if name not in cache:
            cache[name] = Tensors(read(name))
        return cache[name]

    return get


@pytest.fixture(scope="session")
def inputs(load) -> Tensors:
    return load("inputs")


@pytest.fixture(scope="session")
def outputs(load) -> Tensors:
    return load("outputs")


@pytest.fixture(scope="session")
def generator(meta, load):
    from parity_model import untrained_with

    net, vae = load("net"), load("vae")
    if not net or not vae:
        pytest.skip("the folder has no weights")
    return untrained_with(meta, net, vae)


@pytest.fixture(scope="session")
def case(generator, inputs):
    from parity_model import Case

    return Case.of(generator, inputs)
