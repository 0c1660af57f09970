"""Noisy upscaling: the photo is spoilt, made small, and made large again by a diffusion model."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from . import filters, resampling
from .diffusion import STEPS, Gradient, sdedit
from .placing import cleaned_photo
from .straight import passing


@dataclasses.dataclass(frozen=True)
class NoisyUpscaling:
    """Gaussian noise, down, and up again with a model that knows what detail looks like.

    Attributes:
        upscaler: a diffusers pipeline called as `StableDiffusionUpscalePipeline` is: with a prompt
            (empty), an image (PIL) and a generator. Or a talking-head generator or image model,
            which refines by `sdedit` what Lanczos has enlarged.
        deviation: of the noise, on the scale of 0..1.
        factor: down by; by default 4, which fits Stable Diffusion's upscaler, or 2 to refine.
        t, steps: of the refinement.
        whole, place: as for `SDEdit`.
        gradient: of the refinement, see `sdedit`; that of a pipeline is straight.

    Source: Hönig et al., *Adversarial Perturbations Cannot Reliably Protect Artists From
    Generative AI*, arXiv 2406.12027.
    """

    upscaler: Any
    deviation: float = 0.05
    factor: float | None = None
    t: float = 0.15
    steps: int = STEPS
    whole: bool = False
    place: Portrait | None = None
    gradient: Gradient = "straight"

    def __call__(self, pixels: Tensor, seed: int) -> Tensor:
        """See `photo_purifiers.Purifier`."""
        random = torch.Generator().manual_seed(seed)
        if not (isinstance(self.upscaler, Hallo) or hasattr(self.upscaler, "denoiser")):
            return self._upscaled(pixels.float(), random)

        def refine(image: Tensor, portrait: Portrait | None) -> Tensor:
            small = _spoilt(image, 2 * self.deviation, self.factor or 2, random)
            large = resampling.resize(small, (image.shape[1], image.shape[2]), "lanczos")
            return sdedit(
                self.upscaler,
                portrait,
                large,
                self.t,
                self.steps,
                seed=seed,
                gradient=self.gradient,
            )

        return cleaned_photo(self.upscaler, pixels, refine, self.whole, self.place)

    def _upscaled(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        with torch.no_grad():
            small = filters.to_picture(_spoilt(pixels, self.deviation, self.factor or 4, random))
            large = self.upscaler(prompt="", image=small, generator=random).images[0]
            found = filters.to_tensor(large.convert("RGB")).to(pixels.device)
            found = resampling.resize(found, (pixels.shape[1], pixels.shape[2]), "lanczos")
        return passing(found.clamp(0, 1), pixels)


def _spoilt(image: Tensor, deviation: float, factor: float, random: torch.Generator) -> Tensor:
    noisy = image + deviation * torch.randn(image.shape, generator=random).to(image)
    return resampling.resize(noisy, filters.resized(image.shape[1:], 1 / factor), "lanczos")
