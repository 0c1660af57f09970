"""What objectives share whose loss is one differentiable function of the portrait."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .objective import Step


class BoundLoss:
    """A `BoundObjective` of a portrait; what it aims at, a subclass says in `draw` and `loss`."""

    def __init__(self, generator: Hallo, portrait: Portrait) -> None:
        self.generator, self.portrait = generator, portrait
        self.condition = generator.condition(portrait)

    def draw(self, random: torch.Generator) -> Any:
        """Nothing is drawn where a loss needs no chance."""

    def loss(self, image: Tensor, draws: Any) -> Tensor:
        """Of the portrait `[1, 3, S, S]` in -1..1 on the generator's device."""
        raise NotImplementedError

    def step(self, pixels: Tensor, draws: Any) -> Step:
        """Loss and gradient."""
        with torch.inference_mode(False), torch.enable_grad():
            pixels = self._given(pixels).requires_grad_()
            loss = self.loss(self.portrait.crop_window(pixels)[None], draws)
            (gradient,) = torch.autograd.grad(loss, pixels)
        return Step(loss.item(), gradient.cpu())

    @torch.no_grad()
    def value(self, pixels: Tensor, draws: Any) -> float:
        """The loss alone."""
        return self.loss(self.portrait.crop_window(self._given(pixels))[None], draws).item()

    def _given(self, pixels: Tensor) -> Tensor:
        return pixels.detach().to(self.generator.device, torch.float32, copy=True)
