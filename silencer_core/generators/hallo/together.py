"""Several portraits in one batch, one clip each: for a device that a single clip leaves idle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from silencer_core.audio import windows
from silencer_core.checks import check_seed
from silencer_core.errors import Cancelled

from .denoiser import ReferenceFeatures
from .generator import Condition, Hallo
from .sampling import check_sampling, guided_ddim

if TYPE_CHECKING:
    from silencer_core.audio import DrivingAudio
    from silencer_core.portrait import Portrait

Pair = tuple["Portrait", "DrivingAudio"]


def single_clips(generator: Hallo, pairs: Sequence[Pair]) -> bool:
    """Whether each recording makes exactly one clip, as `animate_together` needs it."""
    return all(len(audio.features) == generator.config.clip_frames for _, audio in pairs)


@torch.no_grad()
def animate_together(
    generator: Hallo,
    pairs: Sequence[Pair],
    *,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 42,
    cancelled: Callable[[], bool] | None = None,
) -> list[Tensor]:
    """What `animate` makes of each portrait and recording, all at once and from the same noise.

    Args:
        generator: the networks.
        pairs: which portrait says what; see `single_clips`.
        steps, guidance, seed: as for `animate`.
        cancelled: asked before every step.

    Returns:
        a video `[audio.frames, 3, S, S]` of each pair, float32 in 0..1 on the CPU.

    Raises:
        SilencerError: for steps, guidance or sizes out of range.
        Cancelled: when `cancelled()` says so.
        ValueError: a recording makes more than one clip.
    """
    config, device = generator.config, generator.device
    steps = config.steps if steps is None else steps
    guidance = config.guidance if guidance is None else guidance
    for portrait, _ in pairs:
        check_sampling(config.size, portrait, steps, guidance)
    check_seed(seed)
    if not single_clips(generator, pairs):
        raise ValueError("a recording makes more than one clip")

    portraits = list({id(portrait): portrait for portrait, _ in pairs}.values())
    places = {id(portrait): place for place, portrait in enumerate(portraits)}
    who = torch.tensor([places[id(portrait)] for portrait, _ in pairs], device=device)
    conditions = [generator.condition(portrait) for portrait in portraits]
    latents = generator.encode(torch.stack([portrait.image for portrait in portraits]))
    heard = [windows(audio.features, config.audio_margin) for _, audio in pairs]
    tokens = torch.cat([generator.audio_tokens(one) for one in heard])
    blind = len(pairs) if guidance != 1 else 0
    if blind:
        tokens = torch.cat([torch.zeros_like(tokens), tokens])

    condition = _condition(conditions, who, blind)
    reference = _reference(generator, conditions, latents, who, blind)
    shape = (1, config.latent_channels, config.clip_frames, *latents.shape[2:])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    noise = noise.expand(len(pairs), -1, -1, -1, -1)

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        if cancelled is not None and cancelled():
            raise Cancelled("animation cancelled")
        return generator.predict(latents, timestep, condition, tokens, reference, blind=blind)

    *_, clips = guided_ddim(generator, predict, noise, steps=steps, guidance=guidance)
    frames = generator.decode(clips.transpose(1, 2).flatten(0, 1)) / 2 + 0.5
    videos = frames.clamp(0, 1).cpu().unflatten(0, (len(pairs), -1))
    return [video[: audio.frames] for video, (_, audio) in zip(videos, pairs, strict=True)]


def _condition(conditions: Sequence[Condition], who: Tensor, blind: int) -> Condition:
    """One row per pair; first as many for nobody, where there is guidance."""
    blank, face, feature = (
        torch.cat([getattr(one, name) for one in conditions])[who]
        for name in ("blank_tokens", "face_tokens", "face_feature")
    )
    masks = [
        torch.cat(level)[who] for level in zip(*(one.masks for one in conditions), strict=True)
    ]
    if not blind:
        return Condition(face, blank, feature, tuple(masks))
    return Condition(
        torch.cat([blank, face]),
        blank,
        torch.cat([torch.zeros_like(feature), feature]),
        tuple(torch.cat([mask, mask]) for mask in masks),
    )


def _reference(
    generator: Hallo, conditions: Sequence[Condition], latents: Tensor, who: Tensor, blind: int
) -> ReferenceFeatures:
    """Features of every portrait once, and which of them each frame of each pair looks at.

    With guidance every portrait has two rows, written with nobody's and with its own face's tokens,
    which successive frames look at in turn: see `sampling._guided_reference`.
    """
    rows, frames = 1 + generator.config.motion_frames, generator.config.clip_frames
    halves = 2 if blind else 1
    face = torch.stack([one.face_tokens[0] for one in conditions])
    written = face[:, None].expand(-1, rows, -1, -1)
    if blind:
        blank = torch.stack([one.blank_tokens[0] for one in conditions])
        turn = torch.arange(2 * rows, device=face.device) % 2
        written = torch.stack([blank, face], dim=1)[:, turn]
    seen = latents[:, None].expand(-1, halves * rows, -1, -1, -1).flatten(0, 1)
    features = generator.net.reference_unet(seen.to(generator.dtype), written.flatten(0, 1))
    reader = (who * halves)[:, None].expand(-1, frames)
    if blind:
        reader = reader + torch.arange(frames, 2 * frames, device=who.device) % 2
    split = {name: x.unflatten(0, (-1, halves, rows)) for name, x in features.items()}
    return ReferenceFeatures(
        {name: x[:, :, 0].flatten(0, 1) for name, x in split.items()},
        {name: x[who, :, 1:].transpose(0, 1).flatten(0, 1) for name, x in split.items()},
        reader.flatten(),
    )
