"""The attack itself as the loss: a short sampling with guidance, differentiated from end to end.

A denoiser completes what it half sees: a mouth that is a little open in the noisy latent becomes an
open one. What counts is the clip at the end, and this loss sees it. A step takes three times as
long as one of single predictions and leaves less of what moves in a wide window around the mouth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from silencer_core.audio import DrivingAudio
from silencer_core.checks import MOST_WEIGHT, check_number, check_whole
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait
from silencer_core.side_by_side import side_by_side

from .nullify import BoundNullify, Draw, NullifyAudio


@dataclass(frozen=True)
class NullifyRollout:
    """Settings.

    Attributes:
        steps: of DDIM, from pure noise to the clip; every step is differentiated, so that memory
            grows with them.
        guidance: each draw takes one of these.
        draws, frames, lip, loud, visible: as for `NullifyAudio`.
        static: weight of the clip's squared distance to the static portrait's latent.
        silence: weight of its squared distance to the clip that silence makes from the same noise.
    """

    steps: int = 4
    guidance: tuple[float, ...] = (1.0, 2.0, 3.5)
    draws: int = 1
    frames: int = 4
    lip: float = 12.0
    static: float = 0.0
    silence: float = 1.0
    loud: float = 0.0
    visible: bool = False

    def __post_init__(self) -> None:
        for name, most in (("steps", 1000), ("draws", 1000), ("frames", 1000)):
            check_whole(f"rollout: {name}", getattr(self, name), 1, most)
        for name in ("lip", "static", "silence"):
            check_number(f"rollout: {name}", getattr(self, name), 0, MOST_WEIGHT)
        check_number("rollout: loud", self.loud, 0, 1)
        for guidance in self.guidance:
            check_number("rollout: guidance", guidance, 0, 100)
        if not self.guidance:
            raise SilencerError("the rollout needs at least one guidance.")
        if not self.static and not self.silence:
            raise SilencerError("all terms of the rollout are 0: nothing to aim at.")

    def bind(
        self,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int = 0,
    ) -> BoundRollout:
        """See `Objective.bind`."""
        if not audio:
            raise SilencerError("the nullifying loss needs at least one recording to nullify.")
        shared = NullifyAudio(
            draws=self.draws,
            frames=self.frames,
            lip=self.lip,
            static=self.static,
            silence=self.silence,
            loud=self.loud,
            visible=self.visible,
        )
        return BoundRollout(self, shared, generator, portrait, audio, seed)


class BoundRollout(BoundNullify):
    """The rollout for one portrait; see `BoundObjective`."""

    def __init__(
        self,
        rollout: NullifyRollout,
        shared: NullifyAudio,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int,
    ) -> None:
        super().__init__(shared, generator, portrait, audio, seed)
        self.rollout = rollout
        self.nobody = dataclasses.replace(
            self.condition,
            face_tokens=self.condition.blank_tokens,
            face_feature=torch.zeros_like(self.condition.face_feature),
        )

    def _loss(self, features: dict[str, Tensor], draw: Draw) -> Tensor:
        settings, generator = self.rollout, self.generator
        # The timestep, which a rollout has no use for, chooses the guidance.
        guidance = settings.guidance[draw.timestep % len(settings.guidance)]
        heard, *others = self._clips(features, draw, guidance)
        weight = self.weight.to(generator.device)
        loss = settings.static * ((heard - self.static.to(heard)).square() * weight).mean()
        for other in others:
            loss = loss + settings.silence * ((heard - other).square() * weight).mean()
        return loss

    def _clips(self, features: dict[str, Tensor], draw: Draw, guidance: float) -> list[Tensor]:
        """One clip `[1, c, f, h, w]` for everything that the draw hears, all from its noise."""

        def saying(heard: Tensor) -> Callable[..., Tensor]:
            tokens = self.generator.audio_tokens(heard)
            return lambda *values: self._sample(
                dict(zip(features, values, strict=True)), draw.noise, tokens, guidance
            )

        clips = [saying(heard) for heard in draw.heard]
        if self.generator.device.type != "cpu":
            return [clip(*features.values()) for clip in clips]
        return side_by_side(clips, *features.values())

    def _sample(
        self, features: dict[str, Tensor], noise: Tensor, tokens: Tensor, guidance: float
    ) -> Tensor:
        """A clip `[1, c, f, h, w]` by DDIM."""
        generator = self.generator
        copies = generator.config.motion_frames
        motion = {name: x[:, None].expand(-1, copies, -1, -1) for name, x in features.items()}
        reference = ReferenceFeatures(features, motion)
        alphas = self.alphas.to(generator.device)
        stride = len(alphas) / self.rollout.steps
        times = [round(len(alphas) - k * stride) - 1 for k in range(self.rollout.steps)]
        latents = noise.to(generator.device)
        for time, earlier in zip(times, [*times[1:], None], strict=True):
            velocity = self._velocity(latents, time, tokens, reference, guidance)
            alpha = alphas[time]
            clean = alpha.sqrt() * latents - (1 - alpha).sqrt() * velocity
            if earlier is None:
                return clean
            noisy = (1 - alpha).sqrt() * latents + alpha.sqrt() * velocity
            latents = alphas[earlier].sqrt() * clean + (1 - alphas[earlier]).sqrt() * noisy
        raise AssertionError("the last step returns")

    def _velocity(
        self,
        latents: Tensor,
        time: int,
        tokens: Tensor,
        reference: ReferenceFeatures,
        guidance: float,
    ) -> Tensor:
        """The guided prediction; of pure noise nothing but the portrait's half has a gradient."""
        generator, timestep, hush = self.generator, torch.tensor([time]), torch.zeros_like(tokens)
        if guidance == 1:
            return generator.predict(latents, timestep, self.condition, tokens, reference)
        if latents.requires_grad:
            both, heard = torch.cat([latents, latents]), torch.cat([hush, tokens])
            condition = self.condition.guided()
            velocity = generator.predict(both, timestep, condition, heard, reference, blind=1)
            blank, velocity = velocity.chunk(2)
        else:
            blank = generator.predict(latents, timestep, self.nobody, hush, reference, blind=1)
            velocity = generator.predict(latents, timestep, self.condition, tokens, reference)
        return blank + guidance * (velocity - blank)
