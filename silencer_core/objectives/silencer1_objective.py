"""The reference's method as an objective, to be compared at equal budget and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from silencer_core.audio import DrivingAudio, windows
from silencer_core.generators.hallo.denoiser import Forward
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .objective import Step
from .silencer1 import Draws, Silencer1


@dataclass(frozen=True)
class Silencer1AsCoded:
    """Silencer-I: one timestep, one frame and one window a step; see `silencer1`.

    Attributes:
        timesteps: half-open interval.
        forward: "silencer" for the network that the reference optimises, "animate" for the one
            that inference runs.
    """

    timesteps: tuple[int, int] = (200, 300)
    forward: Forward = "silencer"

    def bind(
        self,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int = 0,
    ) -> BoundSilencer1:
        """See `Objective.bind`; as in the reference only the first recording is used."""
        return BoundSilencer1(self, generator, portrait, audio[0])


class BoundSilencer1:
    """Silencer-I for one portrait; see `BoundObjective`."""

    def __init__(
        self,
        settings: Silencer1AsCoded,
        generator: Hallo,
        portrait: Portrait,
        audio: DrivingAudio,
    ) -> None:
        self.settings, self.generator, self.portrait = settings, generator, portrait
        self.heard = windows(audio.features, generator.config.audio_margin)
        self.method = Silencer1(generator, generator.condition(portrait), forward=settings.forward)

    def draw(self, random: torch.Generator) -> Draws:
        """As the reference draws."""
        return Draws.sample(self.generator, self.heard, random, timesteps=self.settings.timesteps)

    def step(self, pixels: Tensor, draws: Draws) -> Step:
        """Loss and gradient."""
        with torch.inference_mode(False), torch.enable_grad():
            pixels = pixels.detach().to(self.generator.device, copy=True).requires_grad_()
            image = self.portrait.crop_window(pixels)
            found = self.method.step(image, draws)
            (gradient,) = torch.autograd.grad(image, pixels, found.gradient.to(image))
        return Step(found.loss, gradient.cpu())

    @torch.no_grad()
    def value(self, pixels: Tensor, draws: Draws) -> float:
        """The loss alone."""
        image = self.portrait.crop_window(pixels.to(self.generator.device, torch.float32))
        return self.method.loss(image, draws).item()
