"""What an objective is: something that maps a photo's pixels to a loss and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from silencer_core.audio import DrivingAudio
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait


@dataclass(frozen=True)
class Step:
    """`loss`, and `gradient` `[3, h, w]` float32 of it with respect to the pixels in 0..1."""

    loss: float
    gradient: Tensor


class BoundObjective(Protocol):
    """An objective for one portrait, with everything that never changes computed once.

    Pixels are those of the portrait's window in the photo, `[3, h, w]` in 0..1. A purified window
    of another size may stand in: it is resized to the portrait's size in any case.
    """

    def draw(self, random: torch.Generator) -> Any:
        """The random numbers of one step, from a seeded CPU generator."""

    def step(self, pixels: Tensor, draws: Any) -> Step:
        """Loss and gradient for given random numbers."""

    def value(self, pixels: Tensor, draws: Any) -> float:
        """The loss alone, without a gradient."""


class Objective(Protocol):
    """What to aim at; settings only, it can be kept and shared."""

    def bind(
        self,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int = 0,
    ) -> BoundObjective:
        """Prepare for a portrait and the voices that it shall not follow.

        Args:
            audio: one or more recordings as the generator hears them.
            seed: of what the preparation draws.
        """
