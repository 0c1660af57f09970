"""The nullifying loss and its gradient."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tiny import babble, drawn_photo, mask_of_face, tiny_generator

from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.sampling import denoise_clip
from silencer_core.objectives.nullify import NullifyAudio, _channel_weights, _loud_starts
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.objectives.silencer1_objective import Silencer1AsCoded

FULL = NullifyAudio(draws=2, frames=3, static=1.0, silence=60.0, other_voice=2.0, quiet=0.3)


@pytest.fixture(scope="module")
def scene():
    generator = tiny_generator()
    photo = drawn_photo()
    portrait = generator.find_portrait(photo, face_mask=mask_of_face())
    rows, columns = portrait.window.slices
    voices = [generator.drive(babble(k)) for k in range(2)]
    return generator, portrait, photo[:, rows, columns], voices


def bound(scene, settings):
    generator, portrait, _, voices = scene
    return settings.bind(generator, portrait, voices)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "settings",
    [
        FULL,
        NullifyAudio(static=1.0, silence=0.0, talking=0.0),
        NullifyAudio(static=0.0),
        NullifyRollout(steps=2, guidance=(1.0,)),
        NullifyRollout(steps=3, guidance=(2.5,), static=1.0),
        NullifyAudio(static=1.0, min_snr=True, intervals=((200, 300), (600, 900))),
    ],
)
def test_gradient_is_the_slope_of_the_value(scene, settings):
    objective, pixels = bound(scene, settings), scene[2]
    draws = objective.draw(random())
    step = objective.step(pixels, draws)
    direction = step.gradient / step.gradient.norm()
    reach = 0.02
    up, down = (objective.value(pixels + s * reach * direction, draws) for s in (1, -1))
    assert (up - down) / (2 * reach) == pytest.approx(float(step.gradient.norm()), rel=0.03)
    assert step.loss == pytest.approx(objective.value(pixels, draws), rel=1e-4)


@pytest.mark.parametrize("forward", ["silencer", "animate"])
def test_the_references_step_is_an_objective_too(scene, forward):
    objective = bound(scene, Silencer1AsCoded(forward=forward, timesteps=(400, 600)))
    draws = objective.draw(random())
    step = objective.step(scene[2], draws)
    assert 400 <= draws.timestep < 600
    assert step.gradient.shape == scene[2].shape
    assert step.loss == pytest.approx(objective.value(scene[2], draws), rel=1e-4)


def test_several_draws_average(scene):
    objective, pixels = bound(scene, FULL), scene[2]
    draws = objective.draw(random())
    alone = [objective.step(pixels, [one]) for one in draws]
    together = objective.step(pixels, draws)
    assert torch.allclose(together.gradient, sum(s.gradient for s in alone) / 2, atol=1e-6)


def test_silence_against_silence_has_no_invariance_loss(scene):
    objective = bound(scene, NullifyAudio(static=0.0, quiet=1.0))
    assert objective.value(scene[2], objective.draw(random())) == pytest.approx(0, abs=1e-9)


def test_speech_against_silence_has_one(scene):
    objective = bound(scene, NullifyAudio(static=0.0))
    assert objective.value(scene[2], objective.draw(random())) > 1e-6


def test_timesteps_come_from_the_intervals(scene):
    objective = bound(scene, NullifyAudio(intervals=((100, 110), (900, 905)), draws=1))
    source = random()
    drawn = {objective.draw(source)[0].timestep for _ in range(80)}
    assert drawn <= {*range(100, 110), *range(900, 905)}
    assert drawn & set(range(100, 110))
    assert drawn & set(range(900, 905))


@pytest.mark.parametrize("settings", [NullifyAudio(loud=0.4), NullifyRollout(loud=0.4)])
def test_stretches_in_which_nothing_is_heard_are_left_out(scene, settings):
    generator, portrait, _, _ = scene
    spoken = babble().waveform
    recording = generator.drive(Speech(torch.cat([spoken, torch.zeros_like(spoken)]), 16_000))

    def silent(settings: NullifyAudio | NullifyRollout) -> int:
        objective, source = settings.bind(generator, portrait, [recording]), random()
        drawn = [objective.draw(source)[0].heard for _ in range(60)]
        return sum(torch.equal(voice, hush) for voice, hush in drawn)

    assert silent(replace(settings, draws=1)) == 0
    assert silent(replace(settings, draws=1, loud=0.0)) > 10


def test_a_silent_recording_can_be_drawn_from(scene):
    generator, portrait, _, _ = scene
    silence = generator.drive(Speech(torch.zeros(16_000), 16_000))
    objective = NullifyRollout(loud=0.4).bind(generator, portrait, [silence])
    voice, hush = objective.draw(random())[0].heard
    assert torch.equal(voice, hush)


def test_large_features_in_half_precision_have_a_loudness():
    voice = torch.full((6, 5, 2, 8), 1000.0, dtype=torch.float16)
    assert _loud_starts(voice, torch.zeros_like(voice), frames=4, least=0.0) == [0, 1, 2]


def test_lip_weight_draws_the_loss_to_the_lips(scene):
    flat = bound(scene, NullifyAudio(lip=0.0)).weight
    lips = bound(scene, NullifyAudio(lip=12.0)).weight
    assert flat.std() == 0
    assert lips.mean() == pytest.approx(1, abs=1e-5)
    mask = scene[1].masks[0][2].view_as(lips)
    assert lips.flatten()[mask.argmax()] == lips.max()


def test_a_channel_counts_as_much_as_it_shows():
    shown = torch.tensor([2.0, 1.0, 0.0, 1.0]).view(1, 4, 1, 1)
    decoder = SimpleNamespace(decode=lambda latents: latents * shown)
    weights = _channel_weights(decoder, torch.randn(1, 4, 32, 32, generator=random())).flatten()
    assert weights.tolist() == pytest.approx([8 / 3, 2 / 3, 0, 2 / 3], rel=0.1)


@pytest.mark.parametrize("settings", [NullifyAudio(draws=1), NullifyRollout()])
def test_the_loss_counts_what_shows(scene, settings):
    flat = bound(scene, replace(settings, lip=0.0))
    shown = bound(scene, replace(settings, lip=0.0, visible=True))
    assert shown.weight.mean() == pytest.approx(1, abs=1e-5)
    assert shown.weight.std(1).max() > 0.1
    draws = flat.draw(random())
    assert shown.value(scene[2], draws) != flat.value(scene[2], draws)


def test_one_seed_gives_one_result(scene):
    pixels = scene[2]
    steps = []
    for _ in range(2):
        objective = bound(scene, FULL)
        steps.append(objective.step(pixels, objective.draw(random(3))))
    assert torch.equal(steps[0].gradient, steps[1].gradient)


def test_gradients_work_in_a_host_that_infers(scene):
    objective = bound(scene, FULL)
    with torch.inference_mode():
        step = objective.step(scene[2], objective.draw(random()))
    assert step.gradient.abs().sum() > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"intervals": ((300, 200),)},
        {"intervals": ((0, 1001),)},
        {"intervals": ()},
        {"draws": 0},
        {"frames": 0},
        {"static": 0.0, "silence": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SilencerError):
        NullifyAudio(**wrong)


def test_a_rollout_ends_where_the_attack_ends(scene):
    generator, portrait, pixels, voices = scene
    config, guidance = generator.config, 2.0
    objective = NullifyRollout(
        steps=config.steps, guidance=(guidance,), frames=config.clip_frames, static=1.0
    ).bind(generator, portrait, voices)
    (draw,) = objective.draw(random())
    with torch.no_grad():
        features = objective._features(pixels)
        tokens = generator.audio_tokens(draw.heard[0])
        ours = objective._sample(features, draw.noise, tokens, guidance)
        latent = generator.encode(portrait.crop_window(pixels)[None])
        *_, theirs = denoise_clip(
            generator,
            objective.condition,
            latent,
            latent.expand(config.motion_frames, -1, -1, -1),
            tokens,
            draw.noise,
            steps=config.steps,
            guidance=guidance,
        )
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"guidance": ()}, {"silence": 0.0}])
def test_rollouts_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SilencerError):
        NullifyRollout(**wrong)


def test_no_recording_is_refused(scene):
    with pytest.raises(SilencerError, match="recording"):
        NullifyAudio().bind(scene[0], scene[1], [])
