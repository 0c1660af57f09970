"""The demonstration leaves what it says, whole, and marked as synthetic."""

from __future__ import annotations

import json

import av
import pytest
import skimage.data
import torch
from PIL import Image
from test_protect_faces import QUICKER
from tiny import babble, tiny_generator

from silencer_core.demo import STILLS, demonstrate
from silencer_core.photo import Photo, read_photo
from silencer_core.presets import PRESETS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "quicker", QUICKER)
        face = torch.from_numpy(skimage.data.astronaut()[:256, 96:352].copy())
        photo = Photo(face.permute(2, 0, 1) / 255)
        out = tmp_path_factory.mktemp("demo") / "out"
        return demonstrate(photo, babble(seconds=0.5), tiny_generator(), out, "quicker")


def test_protected_photo(made):
    assert read_photo(made.photo).pixels.shape == (3, 256, 256)
    assert read_photo(made.photo).protection


def test_video_with_sound(made):
    with av.open(str(made.video)) as film:
        assert film.streams.audio
        assert "synthetic" in str(film.metadata).lower()
        width = film.streams.video[0].width
        assert width == 2 * film.streams.video[0].height
        assert sum(1 for _ in film.decode(video=0)) == 13


def test_pictures(made):
    strip, plot = Image.open(made.strip), Image.open(made.plot)
    assert strip.width > STILLS * strip.height / 3
    assert plot.width > plot.height


def test_report(made):
    found = json.loads(made.report.read_text())
    assert found["verdict"] == made.grid.verdict
    assert [row["guidance"] for row in found["reports"]] == [tiny_generator().config.guidance]
