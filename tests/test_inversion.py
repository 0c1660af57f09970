"""DDIM inversion and the way back, on a small random generator."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from tiny import wake

from silencer_core.errors import Cancelled, SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.optimise.inversion import InvertedLatent, NullCondition, invert


@pytest.fixture(scope="module")
def generator(published_config) -> Hallo:
    torch.manual_seed(0)
    config = dataclasses.replace(published_config, latent_scale=3.0)  # latents of order 1
    generator = Hallo.untrained(config)
    wake(generator.net)
    return generator


@dataclasses.dataclass
class Face:
    """What the inversion asks of a portrait."""

    image: torch.Tensor
    face_region: torch.Tensor
    masks: tuple[torch.Tensor, ...]
    embedding: torch.Tensor


@pytest.fixture(scope="module")
def portrait(generator) -> Face:
    config, source = generator.config, torch.Generator().manual_seed(1)
    size = config.size
    region = torch.zeros(3, size, size)
    region[:, 8:24, 8:24] = 1
    sides = [config.latent_size >> level for level in range(config.levels)]
    return Face(
        image=torch.rand(3, size, size, generator=source) * 2 - 1,
        face_region=region,
        masks=tuple(torch.rand(3, side * side, generator=source) for side in sides),
        embedding=torch.randn(config.face_dim, generator=source),
    )


@pytest.fixture(scope="module")
def inverted(generator, portrait) -> InvertedLatent:
    return invert(generator, portrait)


def moved(inverted: InvertedLatent, generator, portrait) -> float:
    """How far the inversion carried the latent, RMS."""
    return float((inverted.latent - generator.encode(portrait.image[None])).square().mean().sqrt())


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_untouched_latent_is_the_portrait(generator, portrait, depth):
    inverted = invert(generator, portrait, depth=depth, refinements=0, null_steps=2)
    assert torch.equal(inverted.decode(), portrait.image)


def test_untouched_latent_is_a_portrait_that_rounding_took_beyond_white(generator, portrait):
    white = dataclasses.replace(portrait, image=torch.full((3, 32, 32), 1 + 2**-22))
    assert torch.equal(invert(generator, white, depth=0).decode(), white.image)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_untouched_latent_is_the_portrait_with_gradient(inverted, portrait, checkpoint):
    latent = inverted.latent.clone().requires_grad_()
    assert torch.equal(inverted.decode(latent, checkpoint=checkpoint), portrait.image)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_way_back_leads_back(generator, portrait, depth):
    """Unrefined, a step errs by as much as the network's answer changes along it."""
    plain = invert(generator, portrait, depth=depth, refinements=0, null_steps=0)
    assert plain.error.latent_rms < 0.15 * moved(plain, generator, portrait)


def test_refinement_makes_the_way_exact(generator, portrait):
    """With time turned round, or v read at another noise level, nothing would converge."""
    refined = invert(generator, portrait, null_steps=0)
    assert refined.error.latent_rms < 1e-4 * moved(refined, generator, portrait)


def test_deeper_is_noisier(generator, portrait):
    depths = [invert(generator, portrait, steps=10, depth=d, null_steps=0) for d in (0, 1, 3)]
    distances = [moved(one, generator, portrait) for one in depths]
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2]


def test_the_whole_schedule_can_be_climbed(generator, portrait):
    """At the last timestep nothing of the signal is left."""
    inverted = invert(generator, portrait, steps=4, depth=4, null_steps=1)
    assert inverted.timesteps == (999, 749, 499, 249)
    assert inverted.latent.isfinite().all()
    assert math.isfinite(inverted.error.latent_rms)


def test_steps_are_those_of_the_sampler(generator, portrait):
    inverted = invert(generator, portrait, steps=20, depth=2, null_steps=0)
    generator.sampling_schedule.set_timesteps(20)
    assert list(inverted.timesteps) == generator.sampling_schedule.timesteps[-2:].tolist()


def test_null_conditions_lower_the_error(generator, portrait):
    learnt = invert(generator, portrait, depth=2, refinements=0, null_steps=8)
    assert learnt.error.latent_rms < 0.95 * learnt.error.latent_rms_before


def test_each_step_has_its_own_null_condition(generator, portrait):
    one, two = invert(generator, portrait, depth=2, refinements=0, null_steps=2).nulls
    for field in dataclasses.fields(NullCondition):
        assert not torch.equal(getattr(one, field.name), getattr(two, field.name))


def test_nothing_is_learnt_where_nothing_is_lost(generator, portrait):
    exact = invert(generator, portrait)
    assert all(not null.audio_tokens.any() for null in exact.nulls)


def test_error_is_that_of_the_rebuilt_picture(generator, inverted, portrait):
    mean_square = ((inverted.rebuilt.clamp(-1, 1) - portrait.image) / 2).square().mean()
    assert inverted.error.psnr == pytest.approx(-10 * math.log10(mean_square), abs=1e-3)
    assert torch.allclose(inverted.residual, portrait.image - inverted.rebuilt)


def test_at_depth_zero_the_error_is_the_autoencoders(generator, portrait):
    error = invert(generator, portrait, depth=0).error
    assert error.psnr == error.psnr_before == error.autoencoder
    assert error.latent_rms == 0


@pytest.mark.parametrize("depth", [0, 2])
def test_gradient_reaches_every_value_of_the_latent(generator, portrait, depth):
    inverted = invert(generator, portrait, depth=depth, null_steps=0)
    latent = inverted.latent.clone().requires_grad_()
    source = torch.Generator().manual_seed(3)
    weights = torch.randn(portrait.image.shape, generator=source)
    (inverted.decode(latent) * weights).sum().backward()
    assert latent.grad.isfinite().all()
    assert latent.grad.ne(0).all()


def test_checkpointing_changes_no_gradient(inverted):
    gradients = []
    for checkpoint in (False, True):
        latent = inverted.latent.clone().requires_grad_()
        inverted.decode(latent, checkpoint=checkpoint).square().sum().backward()
        gradients.append(latent.grad)
    assert torch.allclose(*gradients, rtol=1e-5, atol=1e-6)


def test_a_step_against_the_gradient_changes_the_picture_as_asked(inverted, portrait):
    latent = inverted.latent.clone().requires_grad_()
    target = portrait.image * 0.9
    before = (inverted.decode(latent) - target).square().mean()
    before.backward()
    with torch.no_grad():
        after = inverted.decode(latent - latent.grad)
    assert (after - target).square().mean() < before


def test_a_pushed_latent_stays_in_range_and_keeps_its_gradient(inverted):
    latent = (inverted.latent + 3).requires_grad_()
    image = inverted.decode(latent)
    assert image.abs().max() <= 1 + 1e-6
    image.sum().backward()
    assert latent.grad.abs().sum() > 0


def test_same_inputs_same_latent(generator, inverted, portrait):
    torch.manual_seed(99)
    again = invert(generator, portrait)
    assert torch.equal(again.latent, inverted.latent)
    assert torch.equal(again.rebuilt, inverted.rebuilt)


def test_sampling_in_other_steps_afterwards_changes_nothing(generator, inverted, portrait):
    generator.sampling_schedule.set_timesteps(3)
    assert torch.equal(inverted.decode(), portrait.image)


def test_progress_counts_to_the_end(generator, portrait):
    seen = []
    options = {"depth": 2, "refinements": 1, "null_steps": 3}
    invert(generator, portrait, **options, progress=lambda *counts: seen.append(counts))
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert done[0] == 0
    assert done[-1] == totals[-1]
    assert len(set(totals)) == 1


def test_cancelling_stops_before_the_next_call(generator, portrait):
    done = []
    with pytest.raises(Cancelled):
        invert(
            generator,
            portrait,
            progress=lambda d, t: done.append(d),
            cancelled=lambda: len(done) >= 4,
        )
    assert done == [0, 1, 2, 3]


def test_inversion_under_inference_mode(generator, portrait):
    """A host may run everything in inference mode; null conditions need gradients all the same."""
    with torch.inference_mode():
        cloned = {name: value.clone() for name, value in vars(portrait).items() if name != "masks"}
        made_there = Face(**cloned, masks=tuple(mask.clone() for mask in portrait.masks))
        inverted = invert(generator, made_there, refinements=0, null_steps=2)
    latent = inverted.latent.clone().requires_grad_()
    inverted.decode(latent).sum().backward()
    assert latent.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"steps": 0}, "is 0: choose 1 to 1000"),
        ({"steps": 1001}, "is 1001: choose 1 to 1000"),
        ({"depth": -1}, "depth of the inversion is -1 of 20 steps: choose 0 to 20"),
        ({"steps": 4, "depth": 5}, "is 5 of 4 steps: choose 0 to 4"),
        ({"refinements": -1}, "refinements is -1"),
        ({"null_steps": -1}, "null_steps is -1"),
        ({"learning_rate": 0.0}, "learning rate of the null conditions is 0.0"),
        ({"learning_rate": math.nan}, "learning rate of the null conditions is nan"),
    ],
)
def test_values_out_of_range_are_named(generator, portrait, options, named):
    with pytest.raises(SilencerError, match=named):
        invert(generator, portrait, **options)


def test_a_portrait_of_another_size_is_refused(generator, portrait):
    other = dataclasses.replace(portrait, image=torch.zeros(3, 64, 64))
    with pytest.raises(SilencerError, match="size=32"):
        invert(generator, other)
