"""Crops of the natural pictures that scikit-image and scikit-learn carry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# `astronaut` is kept for measuring.
NAMES = (
    "chelsea",
    "coffee",
    "rocket",
    "camera",
    "brick",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "colorwheel",
    "moon",
    "page",
    "text",
    "clock",
    "coins",
)


class Naturals:
    """Random crops, `[3, S, S]` in 0..1, of pictures that need no download."""

    def __init__(self, side: int = 128) -> None:
        self.side = side
        self.pictures = _read()

    def crop(self, seed: int, soft: bool = False) -> Tensor:
        """The crop that a seed stands for; `soft` blurs it as a background would be."""
        random = torch.Generator().manual_seed(seed)

        def uniform(low: float, high: float) -> float:
            return low + (high - low) * torch.rand((), generator=random).item()

        picture = self.pictures[int(uniform(0, len(self.pictures)))]
        height, width = picture.shape[-2:]
        side = int(uniform(min(160, height, width), min(height, width)))
        top, left = int(uniform(0, height - side)), int(uniform(0, width - side))
        crop = picture[None, :, top : top + side, left : left + side]
        if uniform(0, 1) < 0.5:
            crop = crop.flip(-1)
        size = int(uniform(8, 40)) if soft else self.side
        crop = F.interpolate(crop, size=(size, size), mode="bilinear", antialias=True)
        if soft:
            crop = F.interpolate(crop, size=(self.side,) * 2, mode="bicubic")
        # Shuffled channels and another contrast multiply the few pictures.
        order = torch.randperm(3, generator=random)
        crop = crop[0, order].clamp(0, 1) ** uniform(0.7, 1.4) * uniform(0.8, 1.2) + uniform(
            -0.1, 0.1
        )
        return crop.clamp(0, 1)


def _read() -> list[Tensor]:
    import numpy as np
    import skimage.data

    pictures = []
    for name in NAMES:
        try:
            picture = getattr(skimage.data, name)()
        except Exception:  # the picture is not bundled and cannot be fetched
            continue
        pictures.append(picture)
    try:
        from sklearn.datasets import load_sample_images

        pictures += load_sample_images().images
    except ImportError:
        pass
    tensors = []
    for picture in pictures:
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, 2)
        tensor = torch.from_numpy(np.array(picture[..., :3])).permute(2, 0, 1).float() / 255
        shorter = min(tensor.shape[-2:])
        if shorter > 512:
            tensor = F.interpolate(
                tensor[None], scale_factor=512 / shorter, mode="bilinear", antialias=True
            )[0]
        tensors.append(tensor)
    return tensors
