"""Several portraits in one batch say the same as one after the other."""

from __future__ import annotations

import pytest
import torch
from test_sampling import Face, audio_of, untrained

from silencer_core.errors import Cancelled, SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import animate
from silencer_core.generators.hallo.together import animate_together


@pytest.fixture(scope="module")
def generator(published_config) -> Hallo:
    return untrained(published_config)


def a_portrait(config, seed: int) -> Face:
    source = torch.Generator().manual_seed(seed)
    size = config.size
    sides = [config.latent_size >> level for level in range(config.levels)]
    return Face(
        image=torch.rand(3, size, size, generator=source) * 2 - 1,
        face_region=(torch.rand(3, size, size, generator=source) > 0.5).float(),
        masks=tuple(torch.rand(3, side * side, generator=source) for side in sides),
        embedding=torch.randn(config.face_dim, generator=source),
    )


@pytest.fixture(scope="module")
def pairs(generator):
    """Two people; the first says two things, the second one of them, which ends early."""
    config = generator.config
    one, two = a_portrait(config, 1), a_portrait(config, 2)
    return [
        (one, audio_of(config, 4, seed=3)),
        (one, audio_of(config, 4, seed=4)),
        (two, audio_of(config, 3, seed=3)),
    ]


@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_each_is_what_it_is_alone(generator, pairs, guidance):
    films = animate_together(generator, pairs, guidance=guidance, seed=5)
    for film, (portrait, audio) in zip(films, pairs, strict=True):
        alone = torch.stack(list(animate(generator, portrait, audio, guidance=guidance, seed=5)))
        torch.testing.assert_close(film, alone, atol=1e-4, rtol=0)


def test_people_and_voices_differ(generator, pairs):
    first, second, third = animate_together(generator, pairs)
    assert (first - second).abs().max() > 1e-3
    assert (first[:3] - third).abs().max() > 1e-3


def test_the_generators_own_settings_are_the_default(generator, pairs):
    config = generator.config
    told = animate_together(generator, pairs, steps=config.steps, guidance=config.guidance)
    for one, other in zip(told, animate_together(generator, pairs), strict=True):
        assert torch.equal(one, other)


def test_more_than_one_clip_is_refused(generator, pairs):
    with pytest.raises(ValueError, match="more than one clip"):
        animate_together(generator, [(pairs[0][0], audio_of(generator.config, 5))])


def test_settings_are_checked(generator, pairs):
    with pytest.raises(SilencerError, match="steps is 0"):
        animate_together(generator, pairs, steps=0)


def test_it_can_be_cancelled(generator, pairs):
    with pytest.raises(Cancelled):
        animate_together(generator, pairs, cancelled=lambda: True)
