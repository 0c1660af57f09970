"""Expectation over clean-ups: the objective shall fall whatever was done to the photo before.

After Athalye et al., *Synthesizing Robust Adversarial Examples* (ICML 2018), with what platforms
and attackers really do, chained in order: single transforms overestimate how robust a protection
is (arXiv 2604.23688).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.audio import DrivingAudio
from silencer_core.checks import MOST_WEIGHT, check_choice, check_number
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait
from silencer_core.purifiers.differentiable import apply, draw
from silencer_core.purifiers.diffusion import Gradient, sdedit
from silencer_core.purifiers.image_models import GeneratorModel
from silencer_core.purifiers.sequence import parse

from .objective import BoundObjective, Objective, Step

RANDOM = "random"


@dataclass(frozen=True)
class AntiPurify:
    """An objective seen through clean-ups.

    Attributes:
        objective: what shall hold.
        sequences: chains by name (`jpeg:75,resize:0.5`), one drawn per step; "random" draws a
            chain anew each time.
        share: of the steps that see the photo cleaned; the others see it as it is.
        diffusion: share of steps that also pass the portrait through the generator's own
            denoiser; 0 never does.
        diffusion_time: 0..1, how much noise it is cleaned of.
        gradient: that a denoiser passes on, see `purifiers.diffusion.Gradient`. Its own, "through",
            takes twice the time and leads to a smoother change that survives it better.
        misplaced: 0..0.2, by how much of its side the generator's crop may lie elsewhere than the
            portrait's, and be larger or smaller: a face finder does not see a clean-up's result as
            it sees the photo.
        keep: weight of the squared distance between the diffusion-purified portrait and the
            protected one (0..1 scale, mean over pixels): what a purifier makes of it shall be it.
            Above 0 the gradient goes through.
    """

    objective: Objective
    sequences: tuple[str, ...] = (RANDOM,)
    share: float = 0.5
    diffusion: float = 0.0
    diffusion_time: float = 0.15
    gradient: Gradient = "straight"
    misplaced: float = 0.0
    keep: float = 0.0

    def __post_init__(self) -> None:
        for name in ("share", "diffusion", "diffusion_time"):
            check_number(f"anti-purification: {name}", getattr(self, name), 0, 1)
        check_choice("anti-purification: gradient", self.gradient, get_args(Gradient))
        check_number("anti-purification: misplaced", self.misplaced, 0, 0.2)
        check_number("anti-purification: keep", self.keep, 0, MOST_WEIGHT)
        for sequence in self.sequences:
            if sequence != RANDOM:
                parse(sequence)

    def bind(
        self,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int = 0,
    ) -> BoundAntiPurify:
        """See `Objective.bind`."""
        inner = self.objective.bind(generator, portrait, audio, seed)
        return BoundAntiPurify(self, inner, generator, portrait)


@dataclass(frozen=True)
class CleanedDraw:
    """The inner objective's draws, and what is done to the photo before."""

    inner: Any
    steps: tuple
    diffuse: bool
    seed: int


class BoundAntiPurify:
    """See `BoundObjective`."""

    def __init__(
        self,
        settings: AntiPurify,
        inner: BoundObjective,
        generator: Hallo,
        portrait: Portrait,
    ) -> None:
        self.settings, self.inner = settings, inner
        self.portrait, self.purifier = portrait, GeneratorModel(generator)

    def draw(self, random: torch.Generator) -> CleanedDraw:
        """Which clean-ups, and the inner draws."""
        settings, steps = self.settings, ()
        cleaned, diffused = torch.rand(2, generator=random).tolist()
        if settings.sequences and cleaned < settings.share:
            one = int(torch.randint(len(settings.sequences), (), generator=random))
            sequence = settings.sequences[one]
            steps = draw(random) if sequence == RANDOM else parse(sequence)
        seed = int(torch.randint(2**31, (), generator=random))
        return CleanedDraw(self.inner.draw(random), steps, diffused < settings.diffusion, seed)

    def step(self, pixels: Tensor, draws: CleanedDraw) -> Step:
        """Loss and gradient, back through the clean-ups."""
        with torch.inference_mode(False), torch.enable_grad():
            pixels = pixels.detach().clone().requires_grad_()
            cleaned, kept = self._cleaned(pixels, draws)
            found = self.inner.step(cleaned, draws.inner)
            total = (cleaned * found.gradient.to(cleaned)).sum() + kept
            (gradient,) = torch.autograd.grad(total, pixels)
        return Step(found.loss + kept.item(), gradient)

    @torch.no_grad()
    def value(self, pixels: Tensor, draws: CleanedDraw) -> float:
        """The loss alone."""
        cleaned, kept = self._cleaned(pixels, draws)
        return self.inner.value(cleaned, draws.inner) + kept.item()

    def _cleaned(self, pixels: Tensor, draws: CleanedDraw) -> tuple[Tensor, Tensor]:
        """The pixels as the generator gets them, and the loss of what diffusion changes."""
        random = torch.Generator().manual_seed(draws.seed)
        cleaned = apply(pixels, draws.steps, random) if draws.steps else pixels
        crop = _crop(self.settings.misplaced, random)
        cleaned = _seen_through(crop, cleaned)
        kept = cleaned.new_zeros(())
        if not draws.diffuse:
            return cleaned, kept
        image = self.portrait.crop_window(cleaned)
        purified = sdedit(
            self.purifier,
            None,
            image,
            self.settings.diffusion_time,
            seed=draws.seed,
            gradient="through" if self.settings.keep else self.settings.gradient,
        )
        if self.settings.keep:
            kept = self.settings.keep * ((purified - image) / 2).square().mean()
        again = _crop(self.settings.misplaced, random)  # of the photo, not of the crop before
        return _seen_through(crop.inverse() @ again, purified / 2 + 0.5), kept


def _crop(most: float, random: torch.Generator) -> Tensor:
    """Where a crop lies that is moved, and is larger or smaller, by up to `most` of its side.

    Returns:
        `[3, 3]`, its coordinates -1..1 to those of the portrait's.
    """
    scale, down, across = ((2 * torch.rand(3, generator=random) - 1) * most).tolist()
    rows = [[1 + scale, 0.0, 2 * across], [0.0, 1 + scale, 2 * down], [0.0, 0.0, 1.0]]
    return torch.tensor(rows)


def _seen_through(crop: Tensor, pixels: Tensor) -> Tensor:
    """Pixels `[3, h, w]` of a crop of the same size."""
    if torch.equal(crop, torch.eye(3)):
        return pixels
    grid = F.affine_grid(crop[None, :2], [1, *pixels.shape], align_corners=False).to(pixels)
    return F.grid_sample(pixels[None], grid, padding_mode="border", align_corners=False)[0]
