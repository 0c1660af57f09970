"""A weighted sum of objectives."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from tiny import drawn_photo, mask_of_face, tiny_generator

from silencer_core.errors import SilencerError
from silencer_core.objectives.combined import Combined
from silencer_core.objectives.objective import Step
from silencer_core.optimise.inversion import invert
from silencer_core.photo import Photo
from silencer_core.protect import protect


@dataclass(frozen=True)
class Distance:
    """From a number drawn anew each step, added to a target."""

    target: float

    def bind(self, generator, portrait, audio, seed=0):
        return self

    def draw(self, random):
        return self.target + float(torch.rand((), generator=random))

    def step(self, pixels, draws):
        return Step(self.value(pixels, draws), 2 * (pixels - draws) / pixels.numel())

    def value(self, pixels, draws):
        return float((pixels - draws).square().mean())


def test_loss_and_gradient_are_weighted_sums():
    terms = ((2.0, Distance(0.0)), (0.5, Distance(3.0)))
    bound = Combined(terms).bind(None, None, [])
    pixels = torch.rand(3, 4, 4)
    draws = bound.draw(torch.Generator().manual_seed(0))
    found = bound.step(pixels, draws)
    apart = [
        (weight, one.step(pixels, each)) for (weight, one), each in zip(terms, draws, strict=True)
    ]
    assert found.loss == pytest.approx(sum(weight * step.loss for weight, step in apart))
    assert bound.value(pixels, draws) == pytest.approx(found.loss)
    torch.testing.assert_close(found.gradient, sum(w * step.gradient for w, step in apart))


def test_each_term_draws_for_itself():
    bound = Combined(((1.0, Distance(0.0)), (1.0, Distance(0.0)))).bind(None, None, [])
    first, second = bound.draw(torch.Generator().manual_seed(0))
    assert first != second


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_weights_that_mean_nothing_are_refused(weight):
    with pytest.raises(SilencerError, match="above 0"):
        Combined(((weight, Distance(0.0)),))


def test_no_terms_are_refused():
    with pytest.raises(SilencerError, match="at least one"):
        Combined(())


def test_a_latent_serves_one_portrait_only():
    generator, photo = tiny_generator(), drawn_photo()
    portrait = generator.find_portrait(photo, face_mask=mask_of_face())
    latent = invert(generator, portrait, steps=2, depth=0)
    with pytest.raises(SilencerError, match="one portrait"):
        protect(Photo(photo), generator, portraits=[portrait, portrait], inverted=latent)
