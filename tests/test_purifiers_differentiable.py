"""Clean-ups with a gradient: exactly the real ones forward, useful gradients backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from silencer_core.errors import SilencerError
from silencer_core.purifiers.differentiable import apply, draw, stand_in
from silencer_core.purifiers.filters import KERNELS, to_picture, to_tensor
from silencer_core.purifiers.resampling import resize
from silencer_core.purifiers.sequence import KINDS, parse, purify

CHAINS = ["none", *KINDS, "jpeg:75,resize:0.5", "resize:0.5:bicubic,jpeg:75", "crop,noise,webp:60"]


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[:90, 180:285].copy()).permute(2, 0, 1).float() / 255


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def decibels(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(-10 * torch.log10((one - two).square().mean()))


@pytest.mark.parametrize("chain", CHAINS)
def test_the_value_is_that_of_the_real_thing(photo, chain):
    pixels = (photo + 0.3 / 255).requires_grad_()
    assert torch.equal(apply(pixels, parse(chain), seeded(5)), purify(pixels, chain, seed=5))


@pytest.mark.parametrize("chain", CHAINS)
def test_every_pixel_of_the_middle_has_a_gradient(photo, chain):
    pixels = photo.clone().requires_grad_()
    apply(pixels, parse(chain)).square().sum().backward()
    reached = pixels.grad[:, 20:-20, 20:-20].ne(0).float().mean()
    assert pixels.grad.isfinite().all()
    assert reached > 0.2


def test_the_gradient_keeps_the_type_of_the_photo(photo):
    pixels = photo.double().requires_grad_()
    result = apply(pixels, parse("jpeg:75"))
    result.sum().backward()
    assert (result.dtype, pixels.grad.dtype) == (torch.float32, torch.float64)


def test_no_gradient_is_kept_for_a_photo_without(photo):
    assert not apply(photo, parse("jpeg:75,resize:0.5")).requires_grad


def test_the_photo_is_left_alone(photo):
    before = photo.clone()
    apply(photo, parse("jpeg:30,noise:0.1"))
    assert torch.equal(photo, before)


@pytest.mark.parametrize(
    ("step", "closeness"),
    [
        ("jpeg:50", 40),
        ("jpeg:75", 40),
        ("jpeg:95", 42),
        ("blur:1", 45),
        ("blur:2", 45),
        ("median:3", 30),
        ("bilateral", 50),
        ("guided", 50),
        ("grey", 50),
        ("resize:0.5", 50),
    ],
)
def test_stand_ins_are_close_to_what_they_stand_for(photo, step, closeness):
    (parsed,) = parse(step)
    assert decibels(stand_in(photo, parsed).clamp(0, 1), purify(photo, step)) > closeness


def remaining(photo: torch.Tensor, step: str, look) -> float:
    """How far the real step's result stays from another picture's after descent through `look`.

    1: no closer than before. Distances are between random convolutions of high frequencies; the
    change is at most 4/255.
    """
    kernel = torch.randn(16, 3, 3, 3, generator=seeded(0))
    kernel -= 0.8 * kernel.mean((2, 3), keepdim=True)
    wanted = purify(photo.roll((30, 30), (1, 2)).flip(1), step)

    def distance(pixels: torch.Tensor) -> torch.Tensor:
        one, two = (torch.nn.functional.conv2d(x[None], kernel).relu() for x in (pixels, wanted))
        return (one - two).square().mean()

    change = torch.zeros_like(photo)
    for rate in torch.linspace(2 / 255, 0.2 / 255, 20):
        pixels = (photo + change).requires_grad_()
        (gradient,) = torch.autograd.grad(distance(look(pixels)), pixels)
        change = (change - rate * gradient.sign()).clamp(-4 / 255, 4 / 255)
    return float(distance(purify(photo + change, step)) / distance(purify(photo, step)))


@pytest.mark.parametrize("step", ["jpeg:50", "webp:50", "median:3", "blur:1", "resize:0.5"])
def test_descent_through_a_step_moves_its_real_result(photo, step):
    assert remaining(photo, step, lambda pixels: apply(pixels, parse(step))) < 0.93


@pytest.mark.parametrize("step", ["jpeg:50", "median:3"])
def test_its_gradient_leads_further_than_that_of_doing_nothing(photo, step):
    def past(pixels: torch.Tensor) -> torch.Tensor:
        return purify(pixels, step) + (pixels - pixels.detach())

    through = remaining(photo, step, lambda pixels: apply(pixels, parse(step)))
    assert through < remaining(photo, step, past) - 0.01


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(45, 52), (33, 70), (90, 105), (120, 106), (1, 3)])
def test_resizing_is_pillows(photo, kernel, size):
    plane = Image.fromarray(photo[1].numpy())  # floating point: Pillow does not round
    expected = np.asarray(plane.resize(size[::-1], KERNELS[kernel]))
    assert np.abs(resize(photo[1:2], size, kernel)[0].numpy() - expected).max() < 1e-5


def test_resizing_in_8_bit_differs_by_rounding_only(photo):
    found = resize(photo, (40, 60), "lanczos").clamp(0, 1) * 255
    expected = to_tensor(to_picture(photo).resize((60, 40), KERNELS["lanczos"])) * 255
    assert (found - expected).abs().max() < 1.5


def test_noise_follows_the_source(photo):
    one, two, three = (apply(photo, parse("noise"), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


def test_drawn_chains_follow_the_source():
    assert [draw(seeded(3)) for _ in range(5)] == [draw(seeded(3)) for _ in range(5)]


def test_drawn_chains_are_read_back_from_their_names():
    random = seeded(0)
    for _ in range(200):
        steps = draw(random)
        assert parse(",".join(map(str, steps))) == steps


def test_drawn_chains_are_as_promised():
    random = seeded(0)
    chains = [[step.name for step in draw(random)] for _ in range(3000)]
    lengths = np.bincount([len(chain) for chain in chains])[1:] / 3000
    firsts = np.mean([chain[0] == "jpeg" for chain in chains])
    assert lengths == pytest.approx([1 / 3] * 3, abs=0.04)
    assert firsts == pytest.approx(3 / 9, abs=0.04)
    assert all(len(set(chain)) == len(chain) for chain in chains)
    starts = [tuple(chain[:2]) for chain in chains]
    there, back = starts.count(("jpeg", "resize")), starts.count(("resize", "jpeg"))
    assert there == pytest.approx(back, rel=0.3)


def test_a_step_that_denoises_needs_a_generator(photo):
    with pytest.raises(SilencerError, match=r"sdedit:0.15.*give a generator"):
        apply(photo, parse("sdedit:0.15"))
