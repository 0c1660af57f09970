"""Clips, guidance, seeds and callbacks of the sampler, on a small random generator."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from tiny import wake

from silencer_core.audio import DrivingAudio, Speech
from silencer_core.errors import Cancelled, SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import animate


@pytest.fixture(scope="module")
def generator(published_config) -> Hallo:
    return untrained(published_config)


def untrained(published_config) -> Hallo:
    """Of clips of four frames, with all layers awake."""
    torch.manual_seed(0)
    config = dataclasses.replace(published_config, clip_frames=4, steps=3, guidance=2.0)
    generator = Hallo.untrained(config)
    wake(generator.net)
    return generator


@dataclasses.dataclass
class Face:
    """What the sampler asks of a portrait."""

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


def audio_of(config, frames: int, seed: int = 2) -> DrivingAudio:
    source = torch.Generator().manual_seed(seed)
    padded = math.ceil(frames / config.clip_frames) * config.clip_frames
    features = torch.randn(padded, config.audio_blocks, config.audio_channels, generator=source)
    return DrivingAudio(features, frames, Speech(torch.zeros(frames * 640), 16_000))


def run(generator, portrait, frames=6, seed=0, audio_seed=2, **options) -> torch.Tensor:
    audio = audio_of(generator.config, frames, audio_seed)
    return torch.stack(list(animate(generator, portrait, audio, seed=seed, **options)))


def test_as_many_frames_as_the_audio_asks(generator, portrait):
    frames = run(generator, portrait, frames=6)
    assert frames.shape == (6, 3, 32, 32)
    assert frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1


def test_same_seed_same_frames_bit_for_bit(generator, portrait):
    assert torch.equal(run(generator, portrait, seed=3), run(generator, portrait, seed=3))


def test_another_seed_other_frames(generator, portrait):
    assert not torch.equal(run(generator, portrait, seed=3), run(generator, portrait, seed=4))


def test_audio_changes_the_frames(generator, portrait):
    one, two = (run(generator, portrait, audio_seed=seed) for seed in (5, 6))
    assert (one - two).abs().max() > 1e-3


def test_a_later_clip_follows_the_earlier_one(generator, portrait):
    """Other motion frames, other second clip: the frames before it do matter."""
    audio = audio_of(generator.config, 8)
    frames = list(animate(generator, portrait, audio, seed=0))
    changed = dataclasses.replace(audio, features=audio.features.clone())
    changed.features[0] += 5  # heard in the first clip's windows only
    others = list(animate(generator, portrait, changed, seed=0))
    assert not torch.equal(frames[7], others[7])


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0, 3.5])
def test_any_guidance_from_zero(generator, portrait, guidance):
    assert run(generator, portrait, frames=1, guidance=guidance).isfinite().all()


def test_without_guidance_the_audio_is_not_heard(generator, portrait):
    one, two = (run(generator, portrait, audio_seed=seed, guidance=0.0) for seed in (5, 6))
    assert torch.equal(one, two)


def test_motion_scale_zero_silences_the_audio(generator, portrait):
    one, two = (
        run(generator, portrait, audio_seed=seed, guidance=1.0, motion_scale=(0, 0, 0))
        for seed in (5, 6)
    )
    assert torch.equal(one, two)


def test_frames_come_as_they_are_made(generator, portrait):
    steps_at_first_frame = []
    done = []
    audio = audio_of(generator.config, 8)
    for _ in animate(generator, portrait, audio, steps=3, progress=lambda d, t: done.append(d)):
        steps_at_first_frame.append(max(done))
    assert steps_at_first_frame[0] == 3
    assert steps_at_first_frame[-1] == 6


def test_progress_counts_to_the_end(generator, portrait):
    seen = []
    run(generator, portrait, frames=6, steps=3, progress=lambda *counts: seen.append(counts))
    assert seen == [(i, 6) for i in range(7)]


def test_cancelling_stops_within_a_step(generator, portrait):
    done = []
    audio = audio_of(generator.config, 8)
    frames = animate(
        generator,
        portrait,
        audio,
        steps=3,
        progress=lambda d, t: done.append(d),
        cancelled=lambda: len(done) >= 3,
    )
    with pytest.raises(Cancelled):
        next(frames)
    assert done == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"guidance": -1.0}, "guidance is -1.0"),
        ({"guidance": math.nan}, "guidance is nan"),
        ({"motion_scale": (1.0, 1.0)}, "motion scale"),
    ],
)
def test_values_out_of_range_are_named(generator, portrait, options, named):
    with pytest.raises(SilencerError, match=named):
        run(generator, portrait, frames=1, **options)


def test_a_portrait_of_another_size_is_refused(generator, portrait):
    other = dataclasses.replace(portrait, image=torch.zeros(3, 64, 64))
    with pytest.raises(SilencerError, match="size=32"):
        run(generator, other, frames=1)


def test_frames_come_under_inference_mode(generator, portrait):
    """A host may run everything in inference mode; frames must come all the same."""
    with torch.inference_mode():
        assert run(generator, portrait, frames=1).isfinite().all()


def test_an_unidentified_person_fits_any_generator(generator, portrait):
    nobody = dataclasses.replace(portrait, embedding=torch.zeros(7))
    condition = generator.condition(nobody)
    assert torch.equal(condition.face_tokens, condition.blank_tokens)


def test_another_models_identity_is_refused(generator, portrait):
    other = dataclasses.replace(portrait, embedding=torch.ones(7))
    with pytest.raises(SilencerError, match=r"7 values .* takes 512"):
        generator.condition(other)
