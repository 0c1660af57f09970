"""Noise on a picture, and a diffusion model that takes it out again.

What a protection added drowns in the noise; the model puts in its place what it knows of pictures.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .image_models import Denoise, GeneratorModel, ImageModel
from .straight import passing

#: "through": the purifier's own gradient; "straight": as if it did nothing, at no cost.
Gradient = Literal["through", "straight"]

STEPS = 4  # of DDIM, from the noise that was added down to none


def sdedit(
    generator: Hallo | ImageModel,
    portrait: Portrait | None = None,
    image: Tensor | None = None,
    t: float = 0.15,
    steps: int = STEPS,
    *,
    seed: int = 0,
    look: bool = False,
    gradient: Gradient = "straight",
) -> Tensor:
    """Noise on a picture up to time `t`, and denoised again by DDIM.

    Args:
        generator: a talking-head generator, whose denoiser is then used on a single frame without
            audio, or any image model.
        portrait: gives the image where none is given, and the face's place to a generator that
            looks.
        image: `[3, S, S]` or a batch `[N, 3, S, S]` in -1..1, of a size that the model takes.
        t: how much noise, 0.01..0.9 of the schedule; 0.1 to 0.2 is usual.
        steps: DDIM steps from there to the clean picture.
        seed: of the noise.
        look: a generator looks at the picture that it cleans, see `GeneratorModel`.
        gradient: see `Gradient`. "through" keeps one step's activations at a time.

    Returns:
        float32 of the shape of `image`, on its device, about -1..1, not clamped.

    Raises:
        SilencerError: nothing to clean, or a size, time or number of steps out of range.

    Source: Meng et al., *SDEdit*, ICLR 2022, arXiv 2108.01073; as a purifier: Nie et al.,
    *Diffusion Models for Adversarial Purification* (DiffPure), ICML 2022, arXiv 2205.07460; the
    steps: Song et al., *Denoising Diffusion Implicit Models*, ICLR 2021, equation 12 without noise.
    """
    if image is None:
        if portrait is None:
            raise SilencerError("purifier: neither a portrait nor an image was given.")
        image = portrait.image
    model = generator
    if isinstance(generator, Hallo):
        model = GeneratorModel(generator, look, portrait)
    _check(model, image, t, steps)
    images = image.float() if image.dim() == 4 else image.float()[None]
    random = torch.Generator().manual_seed(seed)
    with torch.set_grad_enabled(torch.is_grad_enabled() and gradient == "through"):
        cleaned = _cleaned(model, images, t, steps, random).to(images.device)
    if gradient == "straight":
        cleaned = passing(cleaned, images)
    return cleaned if image.dim() == 4 else cleaned[0]


def _cleaned(
    model: ImageModel, images: Tensor, t: float, steps: int, random: torch.Generator
) -> Tensor:
    latents = model.encode(images)
    denoise = model.denoiser(latents)
    start = round(t * len(model.alphas)) - 1
    times = torch.linspace(start, -1, steps + 1).round().long().tolist()  # -1: no noise at all
    alphas = torch.cat([model.alphas, torch.ones(1)]).to(latents)
    noise = torch.randn(latents.shape, generator=random).to(latents)
    latents = alphas[start].sqrt() * latents + (1 - alphas[start]).sqrt() * noise
    for time, earlier in itertools.pairwise(times):
        arguments = (model, denoise, latents, time, alphas[time], alphas[earlier])
        if latents.requires_grad:
            latents = checkpoint(_ddim, *arguments, use_reentrant=False)
        else:
            latents = _ddim(*arguments)
    return model.decode(latents)


def _ddim(
    model: ImageModel, denoise: Denoise, noisy: Tensor, time: int, alpha: Tensor, earlier: Tensor
) -> Tensor:
    """One step; `alpha` is the signal's share of the variance now, `earlier` after the step."""
    signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
    found = denoise(noisy, time)
    if model.prediction == "epsilon":
        clean = (noisy - spread * found) / signal
    elif model.prediction == "sample":
        clean = found
    else:
        clean = signal * noisy - spread * found
    noise = (noisy - signal * clean) / spread
    if model.limit is not None:
        clean = clean.clamp(-model.limit, model.limit)
    return earlier.sqrt() * clean + (1 - earlier).sqrt() * noise


def _check(model: ImageModel, image: Tensor, t: float, steps: int) -> None:
    height, width = image.shape[-2:]
    fixed = isinstance(model, GeneratorModel)
    if height % model.multiple or width % model.multiple or (fixed and height != width):
        wanted = f"{model.side} x {model.side}" if fixed else f"multiples of {model.multiple}"
        raise SilencerError(f"purifier: the picture is {width} x {height}; give it {wanted}.")
    if not 0.01 <= t <= 0.9:
        raise SilencerError(f"purifier: t is {t}; choose 0.01 to 0.9.")
    if not 1 <= steps <= 1000 * t:
        raise SilencerError(f"purifier: steps is {steps}; choose 1 to {round(1000 * t)}.")
