"""One objective on several generators at once: what silences all is likelier to silence another.

After Liu et al., *Delving into Transferable Adversarial Examples and Black-box Attacks* (ICLR
2017). Gradients are brought to one size before they are added, so that no generator outshouts the
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .objective import BoundObjective, Step


class BoundEnsemble:
    """The mean over generators for one portrait; see `BoundObjective`.

    Args:
        bounds: the objective as bound to each generator.
    """

    def __init__(self, bounds: Sequence[BoundObjective]) -> None:
        self.bounds = tuple(bounds)

    def draw(self, random: torch.Generator) -> list[Any]:
        """Every generator's own, one after the other."""
        return [bound.draw(random) for bound in self.bounds]

    def step(self, pixels: Tensor, draws: list[Any]) -> Step:
        """Mean loss, and the sum of gradients of mean size 1."""
        loss, gradient = 0.0, torch.zeros_like(pixels, dtype=torch.float32)
        for bound, one in zip(self.bounds, draws, strict=True):
            found = bound.step(pixels, one)
            loss += found.loss / len(self.bounds)
            gradient += (found.gradient / found.gradient.abs().mean().clamp(min=1e-12)).to(gradient)
        return Step(loss, gradient)

    def value(self, pixels: Tensor, draws: list[Any]) -> float:
        """The mean loss alone."""
        values = [bound.value(pixels, one) for bound, one in zip(self.bounds, draws, strict=True)]
        return sum(values) / len(values)
