"""Attacks on denoising as such: AdvDM, SDS and Mist, with the generator's own denoiser.

They come from text-to-image models, whose denoiser does not see the photo. Here it does, through
the reference network, and hears silence; one frame stands for the picture. Settings follow the
common implementation of Xue et al., *Toward effective protection against diffusion-based mimicry
through score distillation* (ICLR 2024), github.com/xavihart/Diff-Protect: timesteps over the whole
range, 100 steps of 1/255 within 16/255, from a uniform start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.audio import DrivingAudio, Speech, windows
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .pixelwise import BoundLoss

FUSED = 1e4  # Mist's weight of the denoising error beside the texture's summed squares
_STRIPE = 12  # pixels, of the texture


@dataclass(frozen=True)
class DiffusionAttack:
    """One of the family.

    Attributes:
        kind: "advdm" moves the denoising error (Liang et al., ICML 2023, arXiv 2302.04578);
            "sds" does so by score distillation, through the encoder alone; "texture" moves the
            latent to that of a striped picture, and "mist" does this and raises the error (Liang
            and Wu, 2023, arXiv 2305.12683).
        sign: +1 raises the denoising error, -1 lowers it.
    """

    kind: Literal["advdm", "sds", "texture", "mist"]
    sign: int = 1

    def __post_init__(self) -> None:
        if self.kind not in _KINDS or self.sign not in (1, -1):
            raise SilencerError(
                f"diffusion attack {self.kind!r} with sign {self.sign}: choose one of "
                f"{', '.join(_KINDS)}, and 1 or -1."
            )

    def bind(
        self, generator: Hallo, portrait: Portrait, audio: Sequence[DrivingAudio], seed: int = 0
    ) -> BoundLoss:
        """See `Objective.bind`; audio does not matter."""
        return _KINDS[self.kind](generator, portrait, self.sign)


class _Denoising(BoundLoss):
    """What the denoiser makes of the portrait with noise."""

    def __init__(self, generator: Hallo, portrait: Portrait, sign: int) -> None:
        super().__init__(generator, portrait)
        self.sign = sign
        config = generator.config
        hush = Speech(torch.zeros(16_000 * config.clip_frames // config.fps), 16_000)
        with torch.no_grad():
            heard = windows(generator.drive(hush).features, config.audio_margin)[:1]
            self.tokens = generator.audio_tokens(heard)

    def draw(self, random: torch.Generator) -> tuple[int, Tensor]:
        config = self.generator.config
        shape = (1, config.latent_channels, 1, config.latent_size, config.latent_size)
        timestep = int(torch.randint(1000, (), generator=random))
        return timestep, torch.randn(shape, generator=random)

    def predict(self, latent: Tensor, draws: tuple[int, Tensor]) -> tuple[Tensor, Tensor]:
        """The noise that the denoiser sees in a noisy latent, and what there is."""
        generator, (timestep, noise) = self.generator, draws
        noise = noise.to(latent)
        schedule = generator.training_schedule
        time = torch.tensor([timestep])
        noisy = schedule.add_noise(latent[:, :, None], noise, time)
        rows = latent.expand(1 + generator.config.motion_frames, -1, -1, -1)
        reference = generator.reference_features(rows, self.condition.face_tokens)
        velocity = generator.predict(noisy, time, self.condition, self.tokens, reference)
        alpha = schedule.alphas_cumprod[timestep].to(latent)
        return alpha.sqrt() * velocity + (1 - alpha).sqrt() * noisy, noise


class _AdvDM(_Denoising):
    def loss(self, image: Tensor, draws: tuple[int, Tensor]) -> Tensor:
        return -self.sign * F.mse_loss(*self.predict(self.generator.encode(image), draws))


class _SDS(_Denoising):
    def loss(self, image: Tensor, draws: tuple[int, Tensor]) -> Tensor:
        latent = self.generator.encode(image)
        with torch.no_grad():
            predicted, noise = self.predict(latent, draws)
        # A loss whose gradient at the latent is the residual, as score distillation has it.
        return -self.sign * (latent[:, :, None] * (predicted - noise)).mean()


class _Texture(_Denoising):
    def __init__(self, generator: Hallo, portrait: Portrait, sign: int) -> None:
        super().__init__(generator, portrait, sign)
        with torch.no_grad():
            self.target = generator.encode(_stripes(portrait.size)[None].to(generator.device))

    def loss(self, image: Tensor, draws: tuple[int, Tensor]) -> Tensor:
        return (self.generator.encode(image) - self.target).square().sum()


class _Mist(_Texture):
    def loss(self, image: Tensor, draws: tuple[int, Tensor]) -> Tensor:
        error = F.mse_loss(*self.predict(self.generator.encode(image), draws))
        return super().loss(image, draws) - FUSED * error


_KINDS = {"advdm": _AdvDM, "sds": _SDS, "texture": _Texture, "mist": _Mist}


def _stripes(size: int) -> Tensor:
    """A picture `[3, size, size]` in -1..1 of hard contrasts, in place of Mist's own."""
    place = torch.arange(size)
    stripes = (place[:, None] + place) // _STRIPE % 2 * 2.0 - 1
    return stripes.expand(3, -1, -1)
