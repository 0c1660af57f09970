"""What a training makes, and of whom: the generator that is shipped, and a second to test it by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from silencer_core.generators.hallo.config import HalloConfig

from .sizes import MINI, SECOND


@dataclass(frozen=True)
class Recipe:
    """Everything in which two trainings differ.

    Attributes:
        config: sizes of networks and autoencoder.
        seed: of first weights and of every draw.
        first: number of the first person and of the first utterance; others have the next ones.
        drawn: of five people, how many are rendered; the others are photographs.
        covered: of eleven people, how many have their mouths covered and keep still.
        encoder_steps: steps for which the encoder learns on from its computed start; 0 keeps it.
    """

    config: HalloConfig
    seed: int
    first: int
    drawn: int
    covered: int
    encoder_steps: int


class Name(str, Enum):
    """Of a recipe."""

    MINI = "mini"
    SECOND = "second"


RECIPES = {
    Name.MINI: Recipe(MINI, seed=0, first=0, drawn=2, covered=2, encoder_steps=0),
    Name.SECOND: Recipe(SECOND, seed=1, first=100_000, drawn=3, covered=3, encoder_steps=600),
}
