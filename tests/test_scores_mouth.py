"""Where the mouth is, and how far it is open."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from silencer_core.errors import SilencerError
from silencer_core.generators.mini.meter import load_meter
from silencer_core.generators.mini.weights import METER
from silencer_core.portrait import Window, find_portrait
from silencer_core.scores.mouth import Mouth, mouth_of, moved, read_openings

MEASURED = next(
    (p for p in (METER, Path(__file__).parents[1] / "training/meter.safetensors") if p.exists()),
    None,
)


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def portrait(photo):
    return find_portrait(photo, 128, vae_factor=16, levels=3)


def in_photo(mouth: Mouth, portrait) -> tuple[float, float, float]:
    scale = portrait.window.height / portrait.size
    x, y = portrait.window.left, portrait.window.top
    return x + (mouth.x + 0.5) * scale, y + (mouth.y + 0.5) * scale, mouth.unit * scale


def test_mouth_of_a_known_photo(portrait):
    """The middle of the astronaut's teeth is at about (224, 146), her mouth 42 pixels wide."""
    x, y, unit = in_photo(mouth_of(portrait), portrait)
    assert x == pytest.approx(224, abs=4)
    assert y == pytest.approx(149, abs=6)
    assert 0.6 < 42 / unit < 0.95


def test_place_and_unit_grow_with_the_portrait(photo, portrait):
    large = find_portrait(photo, 512, vae_factor=16, levels=3)
    one, other = in_photo(mouth_of(portrait), portrait), in_photo(mouth_of(large), large)
    assert one == pytest.approx(other, abs=0.01)


def test_without_a_face_the_lip_mask_tells(photo, portrait):
    mask = torch.zeros(512, 512)
    mask[60:180, 180:280] = 1
    lips = torch.zeros(512, 512)
    lips[140:160, 210:250] = 1
    blind = find_portrait(
        photo,
        128,
        backend=type("Blind", (), {"find": lambda self, photo: []})(),
        face_mask=mask,
        lip_mask=lips,
        vae_factor=8,
        levels=3,
    )
    x, y, unit = in_photo(mouth_of(blind), blind)
    assert unit == pytest.approx(60)
    assert x == pytest.approx(230, abs=3)
    assert y == pytest.approx(150 + 0.083 * 60, abs=3)


def test_a_mouth_keeps_its_place_in_the_photo(portrait):
    window = portrait.window
    target = replace(
        portrait,
        window=Window(window.left + 7, window.top - 3, window.right + 27, window.bottom + 17),
    )
    mouth = Mouth(60.0, 80.0, 40.0)
    assert in_photo(moved(mouth, portrait, target), target) == pytest.approx(
        in_photo(mouth, portrait)
    )


def test_a_mouth_is_not_carried_to_another_size(portrait):
    with pytest.raises(SilencerError, match="equal sizes"):
        moved(Mouth(1, 1, 1), portrait, replace(portrait, photo_size=(100, 100)))


def test_areas_lie_within_the_picture():
    mouth = Mouth(120.0, 126.0, 40.0)
    for rows, columns in (mouth.lips(128), mouth.face(128), mouth.wide(128)):
        assert 0 <= rows.start < rows.stop <= 128
        assert 0 <= columns.start < columns.stop <= 128


def test_wide_window_is_two_units_around_the_mouth():
    rows, columns = Mouth(100.0, 90.0, 40.0).wide(256)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (50, 130, 60, 140)


class Darkness:
    """Stands in for the meter: how dark the middle of the window is."""

    def read(self, frames, mouth, unit):
        x, y, reach = round(mouth[0]), round(mouth[1]), max(round(0.1 * unit), 1)
        return 1 - frames[:, :, y - reach : y + reach + 1, x - reach : x + reach + 1].mean(
            (1, 2, 3)
        )


@pytest.mark.parametrize("size", [128, 512])
def test_openings_do_not_depend_on_the_portraits_size(size):
    scale = size / 128
    opening = torch.tensor([0.0, 0.4, 1.0])
    frames = torch.ones(3, 3, size, size)
    low, high = round(60 * scale), round(80 * scale)
    frames[:, :, low:high, low:high] = 1 - opening.view(3, 1, 1, 1)
    mouth = Mouth(70 * scale - 0.5, 70 * scale - 0.5, 40 * scale)
    assert torch.allclose(read_openings(Darkness(), frames, mouth), opening, atol=0.02)


@pytest.mark.skipif(MEASURED is None, reason="the mouth meter's weights are not here")
def test_the_trained_meter_reads_a_mouth_that_opens():
    from silencer_core.generators.mini.looks import random_look
    from silencer_core.generators.mini.portraits import draw

    asked = torch.linspace(0, 1, 6)
    shot = draw(random_look(11)).shot(asked)
    mouth = Mouth(*shot.mouth, shot.unit)
    found = read_openings(load_meter(MEASURED), shot.frames, mouth)
    assert np.corrcoef(asked, found)[0, 1] > 0.97
    assert np.polyfit(asked, found, 1)[0] == pytest.approx(1, abs=0.25)
