"""Protecting against several generators at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from tiny import TINY, babble, drawn_photo, mask_of_face, tiny_generator

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.mini.mel import MelFeatures
from silencer_core.objectives.ensemble import BoundEnsemble
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.objectives.objective import Step
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo
from silencer_core.presets import Preset
from silencer_core.protect import protect

QUICK = Preset(
    "quick",
    NullifyAudio(draws=1, frames=2, talking=0.0),
    Budget(8 / 255),
    Descent(steps=12, validate_every=3, validation=2),
)


@dataclass(frozen=True)
class Slope:
    """Falls along one direction, however steeply."""

    direction: torch.Tensor
    steepness: float

    def draw(self, random):
        return float(torch.rand((), generator=random))

    def step(self, pixels, draws):
        return Step(self.value(pixels, draws), self.steepness * self.direction)

    def value(self, pixels, draws):
        return draws + self.steepness * float((pixels * self.direction).sum())


def test_steep_and_flat_generators_count_alike():
    across, down = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4)
    across[:, :, :2], down[:, :2] = 1.0, 1.0
    bound = BoundEnsemble([Slope(across, 1e-6), Slope(down, 1e3)])
    pixels = torch.rand(3, 4, 4)
    found = bound.step(pixels, bound.draw(torch.Generator().manual_seed(0)))
    torch.testing.assert_close(found.gradient, 2 * across + 2 * down)


def test_loss_is_the_mean_over_generators():
    bound = BoundEnsemble([Slope(torch.ones(3, 4, 4), 1.0), Slope(torch.ones(3, 4, 4), 3.0)])
    pixels = torch.full((3, 4, 4), 0.5)
    assert bound.value(pixels, [0.0, 2.0]) == pytest.approx((24 + 72 + 2) / 2)
    assert bound.step(pixels, [0.0, 2.0]).loss == pytest.approx((24 + 72 + 2) / 2)


def test_a_generator_without_gradient_spoils_nothing():
    bound = BoundEnsemble([Slope(torch.zeros(3, 4, 4), 1.0), Slope(torch.ones(3, 4, 4), 1.0)])
    assert bound.step(torch.rand(3, 4, 4), [0.0, 0.0]).gradient.eq(1).all()


@pytest.fixture(scope="module")
def first():
    return tiny_generator()


def shielded(generator, **options):
    photo = Photo(drawn_photo())
    mask = {} if "portraits" in options else {"face_mask": mask_of_face()}
    return protect(photo, generator, [babble()], QUICK, **mask, **options)


def test_a_further_generator_changes_the_result(first):
    alone, both = shielded(first), shielded(first, also=[tiny_generator(seed=1)])
    assert not torch.equal(alone.photo.pixels, both.photo.pixels)
    assert both.report.faces[0].after < both.report.faces[0].before


def larger() -> Hallo:
    torch.manual_seed(2)
    generator = Hallo.untrained(replace(TINY, size=64))
    generator.audio_encoder = MelFeatures(TINY.clip_frames)
    return generator


def test_generators_of_other_sizes_see_the_same_window(first):
    done = shielded(first, also=[larger()])
    assert (done.photo.pixels - drawn_photo()).abs().max() > 0


def test_a_given_portrait_must_suit_all(first):
    portrait = first.find_portrait(drawn_photo(), face_mask=mask_of_face())
    with pytest.raises(SilencerError, match="32 pixels, a further one takes 64"):
        shielded(first, also=[larger()], portraits=[portrait])
