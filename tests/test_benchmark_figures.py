"""benchmarks/figures.py: a picture says which results it shows."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo


@pytest.fixture
def figures(benchmark_script, monkeypatch, tmp_path):
    module = benchmark_script("figures")
    for name in ("RESULTS", "IMAGES"):
        monkeypatch.setattr(module, name, tmp_path)
    return module


def stored(figure, found: dict) -> None:
    figure.source.write_text(json.dumps(found, indent=3))


def drawn(figure, digest: str) -> None:
    info = PngInfo()
    info.add_text("Results", digest)
    Image.new("RGB", (2, 2)).save(figure.target, pnginfo=info)


def test_a_picture_is_current_while_its_results_are(figures):
    figure = figures.FIGURES[0]
    stored(figure, {"rows": [1, 2]})
    assert not figures.is_current(figure)
    drawn(figure, figures.digest(figure.source))
    assert figures.is_current(figure)
    stored(figure, {"rows": [1, 3]})
    assert not figures.is_current(figure)


def test_pictures_in_the_documents_show_what_is_stored(benchmark_script):
    module = benchmark_script("figures")
    measured = [figure for figure in module.FIGURES if figure.source.exists()]
    assert all(map(module.is_current, measured)), "run python benchmarks/figures.py"


def test_curves_are_drawn(figures):
    pytest.importorskip("matplotlib")
    figure = next(one for one in figures.FIGURES if one.draw is figures.guidances)
    spread = {"median": 0.2, "low": 0.1, "high": 0.3}
    row = {"preset": "ours", "purify": "none", "gain_ratio": spread, "window_ratio": spread}
    stored(figure, {"rows": [row | {"guidance": value} for value in (1.0, 2.0)]})
    figures.draw(figure)
    assert figures.is_current(figure)
    with Image.open(figure.target) as picture:
        assert picture.width > 500


def test_changes_of_a_setting_are_drawn(figures):
    pytest.importorskip("matplotlib")
    figure = next(one for one in figures.FIGURES if one.draw is figures.changes)
    spread = {"median": 0.1, "low": -0.1, "high": 0.3}
    row = {"purify": "none", "guidance": 2.0, "gain_ratio": spread, "window_ratio": spread}
    stored(
        figure, {"rows": [], "duels": [row | {"preset": name} for name in ("1 frame", "8 frames")]}
    )
    figures.draw(figure)
    assert figures.is_current(figure)
    with Image.open(figure.target) as picture:
        assert picture.width > 500


def test_portraits_of_a_store_are_drawn(figures):
    pytest.importorskip("matplotlib")
    figure = next(one for one in figures.FIGURES if one.draw is figures.portraits)
    row = {"portrait": "a.png", "gain_unprotected": 0.5, "window_ratio": 0.2}
    rows = [
        row | {"preset": f"fast~{change}", "guidance": guidance}
        for change in (16, 255)
        for guidance in (1.0, 2.0)
    ]
    figure.source.write_text("".join(json.dumps(one) + "\n" for one in rows))
    figures.draw(figure)
    assert figures.is_current(figure)
    with Image.open(figure.target) as picture:
        assert picture.width > 500
