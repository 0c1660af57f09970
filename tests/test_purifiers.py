"""Clean-ups of a photo by name: what they do, in which order, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from silencer_core.errors import SilencerError
from silencer_core.purifiers.sequence import KINDS, Step, parse, purify


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[:200, 100:340].copy()).permute(2, 0, 1).float() / 255


def decibels(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(-10 * torch.log10((one - two).square().mean()))


def noisy(photo: torch.Tensor, deviation: float = 0.05) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    return (photo + deviation * torch.randn(photo.shape, generator=source)).clamp(0, 1)


def test_a_sequence_reads_in_order():
    steps = parse("jpeg:75, resize:0.5:bilinear,blur")
    assert steps == (Step("jpeg", (75,)), Step("resize", (0.5, "bilinear")), Step("blur", (1.0,)))


def test_steps_print_as_they_read():
    steps = parse("jpeg:75,resize:0.5:nearest,guided:7:0.01")
    assert parse(",".join(map(str, steps))) == steps


def test_none_is_the_8_bit_photo(photo):
    moved = photo + 0.3 / 255
    assert torch.equal(purify(moved, "none"), photo)


def test_jpeg_is_pillows(photo):
    file = io.BytesIO()
    Image.fromarray((photo.permute(1, 2, 0) * 255).byte().numpy()).save(file, "JPEG", quality=75)
    expected = np.array(Image.open(file).convert("RGB"))
    found = (purify(photo, "jpeg:75").permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_a_lower_quality_keeps_less(photo, codec):
    assert decibels(purify(photo, f"{codec}:30"), photo) < decibels(
        purify(photo, f"{codec}:90"), photo
    )


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_resizing_keeps_the_new_size(photo, kernel):
    assert purify(photo, f"resize:0.5:{kernel}").shape == (3, 100, 120)


def test_resizing_there_and_back_loses_detail(photo):
    back = purify(photo, "resize:0.5,resize:2")
    assert back.shape == photo.shape
    assert 20 < decibels(back, photo) < 45


def test_order_matters(photo):
    one, two = purify(photo, "jpeg:50,resize:0.5"), purify(photo, "resize:0.5,jpeg:50")
    assert one.shape == two.shape
    assert not torch.equal(one, two)


def test_crop_keeps_the_middle(photo):
    assert torch.equal(purify(photo, "crop:0.9"), photo[:, 10:190, 12:228])


@pytest.mark.parametrize("step", ["blur:1", "median:3", "bilateral:7:0.2", "guided:5:0.01"])
def test_filters_take_noise_away(photo, step):
    spoilt = noisy(photo)
    assert decibels(purify(spoilt, step), photo) > decibels(spoilt, photo) + 1


@pytest.mark.parametrize("step", ["bilateral", "guided"])
def test_edge_keeping_filters_keep_an_edge(step):
    edge = torch.zeros(3, 64, 64)
    edge[:, :, 32:] = 1
    assert (purify(edge, step) - edge).abs().max() < 0.1


def test_grey_keeps_a_grey_photo_and_takes_colour_away(photo):
    grey = purify(photo, "grey")
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[1], grey[2])
    assert torch.equal(purify(grey, "grey"), grey)
    assert not torch.equal(grey, photo)


def test_noise_has_the_deviation_asked_for():
    grey = torch.full((3, 128, 128), 0.5)
    assert purify(grey, "noise:0.1").std().item() == pytest.approx(0.1, rel=0.02)


def test_noise_follows_the_seed(photo):
    assert torch.equal(purify(photo, "noise", seed=1), purify(photo, "noise", seed=1))
    assert not torch.equal(purify(photo, "noise", seed=1), purify(photo, "noise", seed=2))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_8_bit_values(photo, name):
    result = purify(photo.to(torch.float64), name)
    assert result.dtype == torch.float32
    assert torch.equal((result * 255).round() / 255, result)


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ("sharpen", "no purifier 'sharpen'.*jpeg"),
        ("jpeg:0", "quality is 0; choose 1 to 100"),
        ("jpeg:fine", "quality is 'fine', not a whole number"),
        ("jpeg:75.5", "not a whole number"),
        ("jpeg:75:2", "too many parameters: write jpeg:QUALITY"),
        ("resize:0.5:cubic", "kernel is 'cubic'; choose nearest"),
        ("median:4", "choose an odd number 3 to 31"),
        ("resize:nan", "factor is nan"),
        ("", "no purifier ''"),
        ("jpeg:75,,blur", "no purifier ''"),
    ],
)
def test_what_cannot_be_read_is_named(sequence, words):
    with pytest.raises(SilencerError, match=words):
        parse(sequence)
