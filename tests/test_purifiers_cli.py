"""`silencer purify` with steps that denoise."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from silencer_core import cli, generators
from silencer_core.generators.hallo.generator import Hallo


@pytest.fixture
def photo(tmp_path) -> Path:
    from skimage.data import astronaut

    Image.fromarray(astronaut()[300:380, 400:496]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def loaded(monkeypatch, published_config) -> list:
    """Which generators were asked for; a small one is given."""
    asked: list = []

    def load(path):
        asked.append(path)
        torch.manual_seed(0)
        return Hallo.untrained(published_config)

    monkeypatch.setattr(generators, "load_generator", load)
    return asked


def silencer(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["silencer", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code


def test_a_step_that_denoises_loads_the_generator_named(monkeypatch, loaded, photo, tmp_path):
    output = tmp_path / "clean.png"
    sequence = ["--sequence", "gridpure:1", "-g", tmp_path / "own"]
    silencer(monkeypatch, "purify", photo, "-o", output, *sequence)
    assert loaded == [tmp_path / "own"]
    assert Image.open(output).size == (96, 80)


def test_without_a_name_it_is_the_built_in_one(monkeypatch, loaded, photo, tmp_path):
    sequence = ["--sequence", "jpeg:75,gridpure:1"]
    silencer(monkeypatch, "purify", photo, "-o", tmp_path / "clean.png", *sequence)
    assert loaded == [None]


def test_other_steps_load_none(monkeypatch, loaded, photo, tmp_path):
    silencer(monkeypatch, "purify", photo, "-o", tmp_path / "clean.png", "--sequence", "jpeg:75")
    assert loaded == []


def test_no_face_is_one_plain_line(monkeypatch, capsys, loaded, photo, tmp_path):
    arguments = ["purify", photo, "-o", tmp_path / "clean.png", "--sequence", "sdedit"]
    monkeypatch.setattr(sys, "argv", ["silencer", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    assert "no face was found" in capsys.readouterr().err
    assert not (tmp_path / "clean.png").exists()
