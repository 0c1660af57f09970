"""How visible a change of a photo is."""

import math

import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from silencer_core.errors import SilencerError
from silencer_core.scores.image import visibility


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()).permute(2, 0, 1)[:, :240, 100:300].float() / 255


@pytest.fixture(scope="module")
def noisy(photo) -> torch.Tensor:
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    return (photo + 0.05 * noise).clamp(0, 1)


def test_identical_photos_do_not_differ(photo):
    found = visibility(photo, photo.clone())
    assert found.psnr == math.inf
    assert found.ssim == found.ms_ssim == pytest.approx(1)
    assert found.linf == found.l2 == found.delta_e == 0


def test_agrees_with_scikit_image(photo, noisy):
    found = visibility(photo, noisy)
    pair = photo.numpy(), noisy.numpy()
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(*pair, data_range=1), abs=1e-4)
    expected = structural_similarity(*pair, channel_axis=0, data_range=1)
    assert found.ssim == pytest.approx(expected, abs=1e-5)
    colours = deltaE_ciede2000(*(rgb2lab(one, channel_axis=0) for one in pair), channel_axis=0)
    assert found.delta_e == pytest.approx(colours.mean(), rel=1e-5)


def test_a_tint_shows_more_than_a_shade_of_equal_psnr(photo):
    grey = photo.mean(0, keepdim=True).expand(3, -1, -1) * 0.8 + 0.1
    shade = visibility(grey, grey + 0.03)
    tint = visibility(grey, grey + 0.03 * torch.tensor([1.0, -1.0, 1.0])[:, None, None])
    assert tint.psnr == pytest.approx(shade.psnr, abs=0.01)
    assert tint.delta_e > 2 * shade.delta_e


def test_lengths_have_the_units_they_say(photo):
    changed = photo.clone()
    changed[0, 10, 10] = (photo[0, 10, 10] + 0.5) % 1
    size = float((changed - photo).abs().max())
    found = visibility(photo, changed)
    assert found.linf == pytest.approx(255 * size, rel=1e-4)
    assert found.l2 == pytest.approx(size, rel=1e-4)


def test_a_local_change_counts_as_in_the_whole_photo():
    """Only the part that differs is looked at; the figures are those of the whole."""
    random = torch.Generator().manual_seed(1)
    before = torch.rand(3, 700, 610, generator=random)
    after = before.clone()
    after[:, 300:330, 290:330] = torch.rand(3, 30, 40, generator=random)
    local = visibility(before, after)
    after[:, 0, 0] += 1e-7  # makes the part the whole photo
    after[:, -1, -1] += 1e-7
    whole = visibility(before, after)
    assert local.ssim == pytest.approx(whole.ssim, abs=1e-6)
    assert local.ms_ssim == pytest.approx(whole.ms_ssim, abs=1e-6)
    assert local.delta_e == pytest.approx(whole.delta_e, rel=1e-5)
    pair = before.numpy(), after.numpy()
    expected = structural_similarity(*pair, channel_axis=0, data_range=1)
    assert local.ssim == pytest.approx(expected, abs=1e-5)


def test_fine_noise_offends_several_scales_less_than_one(photo, noisy):
    found = visibility(photo, noisy)
    assert found.ssim < found.ms_ssim < 1


def test_ms_ssim_of_a_flat_shift_is_its_luminance_term():
    """No contrast changes, so only the coarsest scale's luminance is left, to its exponent."""
    before, after = torch.full((3, 256, 256), 0.5), torch.full((3, 256, 256), 0.7)
    luminance = (2 * 0.5 * 0.7 + 1e-4) / (0.5**2 + 0.7**2 + 1e-4)
    assert visibility(before, after).ms_ssim == pytest.approx(luminance**0.1333, abs=1e-4)


def test_small_pictures_use_fewer_scales():
    before, after = torch.full((3, 20, 20), 0.5), torch.full((3, 20, 20), 0.7)
    luminance = (2 * 0.5 * 0.7 + 1e-4) / (0.5**2 + 0.7**2 + 1e-4)
    assert visibility(before, after).ms_ssim == pytest.approx(luminance, abs=1e-4)


def test_mask_confines_the_comparison(photo, noisy):
    mask = torch.zeros(1, *photo.shape[1:])
    mask[:, 50:150, 40:160] = 1
    outside = torch.where(mask > 0, photo, noisy)
    found = visibility(photo, outside, mask)
    assert found.psnr == math.inf
    assert found.linf == found.delta_e == 0
    inside = visibility(photo, torch.where(mask > 0, noisy, photo), mask)
    assert inside.psnr == pytest.approx(visibility(photo, noisy).psnr, abs=0.5)


def test_lpips_is_none_without_its_package(photo, noisy, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert visibility(photo, noisy).lpips is None


@pytest.mark.parametrize(
    "other, mask, words",
    [
        (torch.zeros(3, 64, 65), None, "one size"),
        (torch.zeros(3, 64, 64), torch.zeros(64, 64), "empty"),
        (torch.zeros(3, 64, 64), torch.ones(32, 64), "mask of their size"),
    ],
)
def test_refuses_what_cannot_be_compared(other, mask, words):
    with pytest.raises(SilencerError, match=words):
        visibility(torch.zeros(3, 64, 64), other, mask)
