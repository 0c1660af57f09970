"""Photos of any size for models of one size: what is cleaned, and how the change comes back."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .image_models import ImageModel
from .straight import bounded

#: An image `[3, h, w]` in -1..1, and the portrait that it is of, if any, to the image cleaned.
Clean = Callable[[Tensor, Portrait | None], Tensor]


def cleaned_photo(
    model: Hallo | ImageModel,
    pixels: Tensor,
    clean: Clean,
    whole: bool = False,
    place: Portrait | None = None,
) -> Tensor:
    """Clean a photo at the size that a model works at, and add the change to the photo.

    A talking-head generator gets the square around the largest face, an image model the whole
    photo, its shorter side as long as the model's pictures.

    Args:
        pixels: `[3, H, W]` in 0..1.
        clean: does it.
        whole: the photo is a portrait already; a generator gets all of it, squeezed to a square.
        place: where the face is if none, or another, is found in a photo of the same size.

    Returns:
        `[3, H, W]` float32 in 0..1. Clamping passes gradients straight through.

    Raises:
        SilencerError: no face for a generator.
    """
    pixels = pixels.float()
    if isinstance(model, Hallo) and not whole:
        portrait = _portrait(model, pixels, place)
        image = portrait.crop(pixels)
        return bounded(pixels + portrait.paste(clean(image, portrait) - image))
    size = (pixels.shape[1], pixels.shape[2])
    image = _resized(pixels, _size_for(model, *size)) * 2 - 1
    change = (clean(image, None) - image) / 2
    return bounded(pixels + _resized(change, size))


def _portrait(model: Hallo, pixels: Tensor, place: Portrait | None) -> Portrait:
    if place is None or place.photo_size != tuple(pixels.shape[1:]):
        return model.find_portrait(pixels)
    return place.again(model.find_portrait, pixels)[0]


def _size_for(model: Hallo | ImageModel, height: int, width: int) -> tuple[int, int]:
    if isinstance(model, Hallo):
        return model.config.size, model.config.size
    scale = model.side / min(height, width)
    down, across = (
        max(1, round(side * scale / model.multiple)) * model.multiple for side in (height, width)
    )
    return down, across


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(pixels.shape[1:]) == size:
        return pixels
    return F.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]
