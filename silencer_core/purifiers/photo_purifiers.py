"""Diffusion purifiers of photos, each an object to be called, and their names in a sequence."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .diffusion import STEPS, Gradient, sdedit
from .gridpure import GrIDPure
from .image_models import ImageModel
from .placing import cleaned_photo
from .upscaling import NoisyUpscaling

if TYPE_CHECKING:
    from .sequence import Step


class Purifier(Protocol):
    """Something that cleans photos."""

    def __call__(self, pixels: Tensor, seed: int) -> Tensor:
        """`[3, H, W]` in 0..1 to the same size, float32, on the same device; one seed, one result.

        Differentiable as the purifier's `gradient` says.
        """


@dataclasses.dataclass(frozen=True)
class SDEdit:
    """`sdedit` on photos of any size.

    Attributes:
        model: a talking-head generator, which works on the square around the largest face, or an
            image model, which works on the whole photo; see `placing.cleaned_photo`.
        t, steps, look, gradient: see `sdedit`.
        whole: the photo is a portrait already; no face is looked for.
        place: of the face where none is found, see `placing.cleaned_photo`.
    """

    model: Hallo | ImageModel
    t: float = 0.15
    steps: int = STEPS
    look: bool = False
    gradient: Gradient = "straight"
    whole: bool = False
    place: Portrait | None = None

    def __call__(self, pixels: Tensor, seed: int) -> Tensor:
        """See `Purifier`."""

        def clean(image: Tensor, portrait: Portrait | None) -> Tensor:
            return sdedit(
                self.model,
                portrait,
                image,
                self.t,
                self.steps,
                seed=seed,
                look=self.look,
                gradient=self.gradient,
            )

        return cleaned_photo(self.model, pixels, clean, self.whole, self.place)


def purifier(
    step: Step,
    generator: Hallo | ImageModel,
    *,
    whole: bool = False,
    place: Portrait | None = None,
    gradient: Gradient = "straight",
) -> Purifier:
    """What a step of `sequence.DIFFUSION` does."""
    (value,) = step.values
    if step.name == "gridpure":
        return GrIDPure(generator, iterations=value, gradient=gradient)
    options = {"whole": whole, "place": place, "gradient": gradient}
    if step.name == "upscale":
        return NoisyUpscaling(generator, deviation=value, **options)
    return SDEdit(generator, t=value, **options)
