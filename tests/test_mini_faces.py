"""Rendered and photographed people, and how their mouths open."""

from pathlib import Path

import pytest
import torch

from silencer_core.generators.mini.jaw import Mouth, open_mouth
from silencer_core.generators.mini.looks import random_look
from silencer_core.generators.mini.meter import MouthMeter, meter_windows, mouth_windows
from silencer_core.generators.mini.portraits import draw

PORTRAITS = Path(__file__).parents[2] / "shared/data/portraits"


@pytest.fixture(scope="module")
def person():
    return draw(random_look(7))


def test_a_seed_draws_one_person(person):
    assert torch.equal(draw(random_look(7)).picture, person.picture)
    assert not torch.equal(draw(random_look(8)).picture, person.picture)


def test_closed_mouth_is_the_picture_itself(person):
    frame = person.shot(torch.zeros(1)).frames[0]
    assert (frame - person.picture).abs().max() < 1e-3


def test_more_opening_changes_more_of_the_mouth_only(person):
    shot = person.shot(torch.tensor([0.0, 0.3, 0.6, 1.0]))
    change = (shot.frames[1:] - shot.frames[0]).abs().mean(1)
    amounts = change.mean((1, 2))
    assert amounts.diff().min() > 0
    top = int(shot.mouth[1] - 0.5 * shot.unit)
    assert change[:, :top].max() < 5e-3


def test_frames_stay_in_range(person):
    frames = person.shot(torch.linspace(0, 1, 5)).frames
    assert frames.shape == (5, 3, 128, 128)
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_mouth_lies_within_lip_box_within_picture(person):
    shot = person.shot(torch.zeros(1))
    left, top, right, bottom = shot.lip_box
    assert left < shot.mouth[0] < right
    assert top < shot.mouth[1] < bottom
    assert 0 < shot.mouth[1] < 128


def test_interior_is_dark_and_as_high_as_asked():
    y, x = torch.meshgrid(*[torch.linspace(-1.2, 1.2, 129)] * 2, indexing="ij")
    picture = torch.full((3, 129, 129), 0.8)
    mouth = Mouth(split=0.6, smile=0.0, teeth=0.0, tongue=0.0)
    frames = open_mouth(picture, x, y, mouth, torch.tensor([0.5, 1.0]))
    column = frames[:, :, :, 64].mean(1)
    dark = (column < 0.4).sum(1) * 2.4 / 128
    assert dark[0] == pytest.approx(0.5 * mouth.drop, abs=0.03)
    assert dark[1] == pytest.approx(mouth.drop, abs=0.03)


def test_windows_follow_the_mouth():
    frames = torch.zeros(1, 3, 128, 128)
    frames[..., 80:86, 60:66] = 1
    window = mouth_windows(frames, (62.5, 82.5), 40.0)
    assert window.shape == (1, 3, 40, 40)
    assert window[0, 0, 18:22, 18:22].mean() > 0.9
    assert window[0, 0, :5].max() == 0


def test_meter_takes_no_notice_of_brightness():
    torch.manual_seed(0)
    meter, window = MouthMeter().eval(), torch.rand(2, 3, 40, 40)
    assert torch.allclose(meter(window), meter(0.5 * window + 0.1), atol=1e-4)


def test_meter_windows_know_their_openings(person):
    windows, openings = meter_windows(lambda number, opening: person.shot(opening), 3)
    assert windows.shape == (12, 3, 40, 40)
    assert openings.shape == (12,)
    assert openings.max() <= 1


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    if not PORTRAITS.exists():
        pytest.skip("no portraits at ../shared/data/portraits")
    from PIL import Image

    from silencer_core.generators.mini.photographs import Photographs

    folder = tmp_path_factory.mktemp("portraits")
    for path in sorted(PORTRAITS.glob("*.jpg"))[:35]:
        (folder / path.name).symlink_to(path)
    assert Image.open(folder / "0000.jpg").size == (200, 250)
    return Photographs(folder, folder / "alignment.npz")


def test_training_and_held_out_people_are_different(photographs):
    assert photographs.held_out
    assert not set(photographs.train) & set(photographs.held_out)
    assert all(index % 10 == 0 for index in photographs.held_out)


def test_a_photographed_mouth_opens(photographs):
    shot = photographs.shot(photographs.train[0], torch.tensor([0.0, 1.0]), seed=1)
    x, y = (round(v) for v in shot.mouth)
    closed, opened = shot.frames[:, :, y - 2 : y + 3, x - 2 : x + 3].mean((1, 2, 3))
    assert opened < closed
    assert shot.frames.isfinite().all()


def test_one_seed_one_photograph(photographs):
    first, second = (photographs.shot(3, torch.zeros(1), seed=5).frames for _ in range(2))
    assert torch.equal(first, second)
