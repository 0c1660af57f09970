"""From a portrait and driving audio to frames, clip after clip."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from silencer_core.audio import windows
from silencer_core.checks import check_seed
from silencer_core.errors import Cancelled, SilencerError
from silencer_core.threads import few_threads

from .denoiser import Forward, ReferenceFeatures
from .generator import Condition, Hallo

if TYPE_CHECKING:
    from silencer_core.audio import DrivingAudio
    from silencer_core.portrait import Portrait

Progress = Callable[[int, int], None]


def animate(
    generator: Hallo,
    portrait: Portrait,
    audio: DrivingAudio,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
    seed: int = 42,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Tensor]:
    """Make the portrait say the audio.

    Clips follow each other without overlap. The first starts from copies of the portrait as
    motion frames, each later one from the last frames of the one before. One noise generator,
    seeded once, serves all clips, so that a seed gives the same frames on one machine.

    Args:
        generator: the networks.
        portrait: fitting the generator's size.
        audio: the driving features, padded to whole clips.
        steps: DDIM steps per clip, 1..1000; the generator's default if none.
        guidance: v = v_nothing + guidance * (v_all - v_nothing), 0 or more. At 1 the
            unconditional half is not computed.
        motion_scale: strength of the audio on background, face and lips.
        seed: of the noise.
        progress: called with (denoising steps done, denoising steps in all).
        cancelled: asked before every step and frame.

    Yields:
        frames `[3, S, S]` float32 in 0..1 on the CPU, as soon as each is decoded; `audio.frames`
        of them.

    Raises:
        SilencerError: for steps, guidance or sizes out of range.
        Cancelled: when `cancelled()` says so.
    """
    config = generator.config
    steps = config.steps if steps is None else steps
    guidance = config.guidance if guidance is None else guidance
    check_sampling(config.size, portrait, steps, guidance, motion_scale)
    check_seed(seed)
    frames = _frames(
        generator, portrait, audio, steps, guidance, motion_scale, seed, progress, cancelled
    )
    while True:  # whoever takes the frames has his own threads between them
        with few_threads(generator):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


@torch.no_grad()
def _frames(
    generator: Hallo,
    portrait: Portrait,
    audio: DrivingAudio,
    steps: int,
    guidance: float,
    motion_scale: Sequence[float],
    seed: int,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Tensor]:
    """See `animate`."""
    config = generator.config

    def stop_if_cancelled() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("animation cancelled")

    noise_source = torch.Generator().manual_seed(seed)
    condition = generator.condition(portrait)
    portrait_latent = generator.encode(portrait.image[None])
    motion_latents = portrait_latent.expand(config.motion_frames, -1, -1, -1)
    heard = windows(audio.features, config.audio_margin)
    clips = math.ceil(len(heard) / config.clip_frames)
    if progress is not None:
        progress(0, clips * steps)

    for clip in range(clips):
        start = clip * config.clip_frames
        tokens = generator.audio_tokens(heard[start : start + config.clip_frames])
        side = config.latent_size
        shape = (1, config.latent_channels, tokens.shape[1], side, side)
        latents = torch.randn(shape, generator=noise_source)
        stop_if_cancelled()
        states = denoise_clip(
            generator,
            condition,
            portrait_latent,
            motion_latents,
            tokens,
            latents,
            steps=steps,
            guidance=guidance,
            motion_scale=motion_scale,
        )
        for step, state in enumerate(states, start=1):
            latents = state
            if progress is not None:
                progress(clip * steps + step, clips * steps)
            stop_if_cancelled()

        last = []
        for i, latent in enumerate(latents[0].transpose(0, 1)):
            stop_if_cancelled()
            frame = (generator.decode(latent[None])[0] / 2 + 0.5).clamp(0, 1)
            last = [*last, frame][-config.motion_frames :]
            if start + i < audio.frames:
                yield frame.cpu()
        if clip + 1 < clips:
            motion_latents = generator.encode(torch.stack(last) * 2 - 1)


@torch.no_grad()
def denoise_clip(
    generator: Hallo,
    condition: Condition,
    portrait_latent: Tensor,
    motion_latents: Tensor,
    audio_tokens: Tensor,
    noise: Tensor,
    *,
    steps: int,
    guidance: float,
    motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
    forward: Forward = "animate",
) -> Iterator[Tensor]:
    """DDIM with classifier-free guidance over one clip.

    Args:
        portrait_latent: `[1, c, h, w]`, scaled.
        motion_latents: `[n, c, h, w]`, scaled.
        audio_tokens: `[1, f, T, audio_dim]`.
        noise: `[1, c, f, h, w]`, standard normal.

    Yields:
        the latents `[1, c, f, h, w]` float32 after each step.
    """
    guided = guidance != 1
    if guided:
        reference = _guided_reference(
            generator, condition, portrait_latent, motion_latents, noise.shape[2]
        )
        condition = condition.guided()
        audio_tokens = torch.cat([torch.zeros_like(audio_tokens), audio_tokens])
    else:
        rows = torch.cat([portrait_latent, motion_latents])
        reference = generator.reference_features(rows, condition.face_tokens)

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        return generator.predict(
            latents,
            timestep,
            condition,
            audio_tokens,
            reference,
            motion_scale=motion_scale,
            blind=int(guided),
            forward=forward,
        )

    yield from guided_ddim(generator, predict, noise, steps=steps, guidance=guidance)


@torch.no_grad()
def guided_ddim(
    generator: Hallo,
    predict: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    *,
    steps: int,
    guidance: float,
) -> Iterator[Tensor]:
    """DDIM from noise to clean latents.

    Args:
        predict: v of noisy latents at a timestep `[1]`; except at guidance 1 it gets them twice and
            answers first for the unconditional half, then for the conditional one.
        noise: `[B, c, f, h, w]`, standard normal.

    Yields:
        the latents `[B, c, f, h, w]` float32 after each step.
    """
    schedule = generator.sampling_schedule
    schedule.set_timesteps(steps, device=generator.device)
    latents = noise.to(generator.device, torch.float32)
    for timestep in schedule.timesteps:
        if guidance == 1:
            velocity = predict(latents, timestep[None])
        else:
            nothing, everything = predict(torch.cat([latents, latents]), timestep[None]).chunk(2)
            velocity = nothing + guidance * (everything - nothing)
        latents = schedule.step(velocity, timestep, latents).prev_sample
        yield latents


def _guided_reference(
    generator: Hallo,
    condition: Condition,
    portrait_latent: Tensor,
    motion_latents: Tensor,
    frames: int,
) -> ReferenceFeatures:
    """Features for the unconditional and the conditional half of a guided batch.

    Two accidents of the published pipeline are part of what its weights are used with, hence of
    this one. It tiles the two face tokens (nobody, somebody) over the rows of the reference
    batch, `[portrait, motion frames...]` twice, so that they alternate from row to row. And it
    tiles the two portraits over the frames of the denoiser's batch, so that successive frames
    look alternately at the one written with nobody's tokens and at the one with somebody's.
    """
    who = torch.cat([condition.blank_tokens, condition.face_tokens])
    latents = torch.cat([portrait_latent, motion_latents]).repeat(2, 1, 1, 1)
    rows = torch.arange(len(latents), device=who.device)
    features = generator.net.reference_unet(latents.to(generator.dtype), who[rows % 2])
    reader = torch.arange(frames, 2 * frames, device=who.device) % 2
    return dataclasses.replace(ReferenceFeatures.split(features, samples=2), reader=reader)


def check_sampling(
    size: int,
    portrait: Portrait,
    steps: int,
    guidance: float,
    motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Raise SilencerError for what `animate` cannot do, naming the remedy."""
    if tuple(portrait.image.shape) != (3, size, size):
        raise SilencerError(
            f"the portrait is {tuple(portrait.image.shape)} but this generator takes "
            f"(3, {size}, {size}): find the portrait with size={size}."
        )
    if not 1 <= steps <= 1000:
        raise SilencerError(f"steps is {steps}: choose 1 to 1000.")
    if not (math.isfinite(guidance) and guidance >= 0):
        raise SilencerError(f"guidance is {guidance}: choose 0 or more.")
    if len(motion_scale) != 3 or not all(math.isfinite(s) for s in motion_scale):
        raise SilencerError(
            f"motion scale is {tuple(motion_scale)}: give three numbers, for background, face "
            "and lips."
        )
