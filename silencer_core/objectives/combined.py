"""A weighted sum of objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from silencer_core.audio import DrivingAudio
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .objective import BoundObjective, Objective, Step


@dataclass(frozen=True)
class Combined:
    """Several objectives at once.

    Attributes:
        terms: each with its weight, above 0.
    """

    terms: tuple[tuple[float, Objective], ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise SilencerError("combined objective: it has no terms; give at least one.")
        for weight, _ in self.terms:
            if not (math.isfinite(weight) and weight > 0):
                raise SilencerError(f"combined objective: a weight is {weight}; choose above 0.")

    def bind(
        self,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int = 0,
    ) -> BoundCombined:
        """See `Objective.bind`; every term gets the same."""
        return BoundCombined(
            [(weight, one.bind(generator, portrait, audio, seed)) for weight, one in self.terms]
        )


class BoundCombined:
    """The sum for one portrait; see `BoundObjective`."""

    def __init__(self, terms: list[tuple[float, BoundObjective]]) -> None:
        self.terms = terms

    def draw(self, random: torch.Generator) -> list[Any]:
        """Every term's own, one after the other."""
        return [bound.draw(random) for _, bound in self.terms]

    def step(self, pixels: Tensor, draws: list[Any]) -> Step:
        """Loss and gradient, term by term."""
        found = [bound.step(pixels, one) for (_, bound), one in zip(self.terms, draws, strict=True)]
        weights = [weight for weight, _ in self.terms]
        return Step(
            sum(weight * one.loss for weight, one in zip(weights, found, strict=True)),
            sum(weight * one.gradient for weight, one in zip(weights, found, strict=True)),
        )

    def value(self, pixels: Tensor, draws: list[Any]) -> float:
        """The loss alone."""
        return sum(
            weight * bound.value(pixels, one)
            for (weight, bound), one in zip(self.terms, draws, strict=True)
        )
