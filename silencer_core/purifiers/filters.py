"""Single clean-ups of an 8-bit picture, with the codecs and filters that people really use.

Each takes a PIL picture in RGB and its strength, and gives a new 8-bit picture, because files are
8 bit between one program and the next. None touches the picture it was given.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Through libjpeg at quality 1..100, chroma at half resolution below 100 as usual."""
    return _through(picture, "JPEG", quality=quality)


def webp(picture: Image.Image, quality: int) -> Image.Image:
    """Through lossy WebP at quality 1..100."""
    return _through(picture, "WEBP", quality=quality)


def _through(picture: Image.Image, codec: str, **options: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, codec, **options)
    file.seek(0)
    return Image.open(file).convert("RGB")


def resize(picture: Image.Image, factor: float, kernel: str = "lanczos") -> Image.Image:
    """To `factor` times the sides, which the result keeps; kernels see `KERNELS`.

    Enlarging again is a second step, e.g. `resize:0.5,resize:2`.
    """
    return picture.resize(resized(picture.size, factor), KERNELS[kernel])


def resized(sides: Sequence[int], factor: float) -> tuple[int, int]:
    """The sides of a picture after `resize`, in the order given."""
    one, two = (max(1, round(side * factor)) for side in sides)
    return one, two


def crop(picture: Image.Image, keep: float) -> Image.Image:
    """The middle `keep` of both sides."""
    across, down = (cropped(side, keep) for side in picture.size)
    return picture.crop((across.start, down.start, across.stop, down.stop))


def cropped(side: int, keep: float) -> slice:
    """What `crop` leaves of a side."""
    lost = round(side * (1 - keep) / 2)
    return slice(lost, side - lost)


def blur(picture: Image.Image, sigma: float) -> Image.Image:
    """Gaussian with standard deviation `sigma` pixels."""
    return picture.filter(ImageFilter.GaussianBlur(sigma))


def median(picture: Image.Image, size: int) -> Image.Image:
    """Median of `size` x `size` pixels, per channel; `size` is odd."""
    return picture.filter(ImageFilter.MedianFilter(size))


def bilateral(picture: Image.Image, size: int, colour: float) -> Image.Image:
    """Average over `size` x `size` pixels that lie near and differ by about `colour` at most.

    Source: Tomasi & Manduchi, ICCV 1998, as kornia has it.
    """
    return to_picture(bilateral_blur(to_tensor(picture), size, colour))


def bilateral_blur(pixels: Tensor, size: int, colour: float) -> Tensor:
    """The same on `[3, H, W]` float32 in 0..1; differentiable."""
    from kornia.filters import bilateral_blur

    return bilateral_blur(pixels[None], (size, size), colour, (size / 4, size / 4))[0]


def guided(picture: Image.Image, size: int, smooth: float) -> Image.Image:
    """Guided by itself: flat regions whose variance is below `smooth` become even, edges stay.

    Source: He, Sun & Tang, ECCV 2010, as kornia has it; the core of the "AdverseCleaner".
    """
    return to_picture(guided_blur(to_tensor(picture), size, smooth))


def guided_blur(pixels: Tensor, size: int, smooth: float) -> Tensor:
    """The same on `[3, H, W]` float32 in 0..1; differentiable."""
    from kornia.filters import guided_blur

    return guided_blur(pixels[None], pixels[None], (size, size), smooth)[0]


def grey(picture: Image.Image) -> Image.Image:
    """Luma alone (ITU-R 601-2), in all channels."""
    return picture.convert("L").convert("RGB")


def noise(picture: Image.Image, deviation: float, source: torch.Generator) -> Image.Image:
    """Gaussian noise of the given standard deviation, in 0..1, from a seeded CPU generator."""
    pixels = to_tensor(picture)
    return to_picture(pixels + deviation * torch.randn(pixels.shape, generator=source))


def to_tensor(picture: Image.Image) -> Tensor:
    """`[3, H, W]` float32 in 0..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def to_picture(pixels: Tensor) -> Image.Image:
    """`[3, H, W]` in 0..1 to 8 bit, clamped and rounded."""
    rounded = (pixels.detach().float().clamp(0, 1) * 255).round().byte()
    return Image.fromarray(rounded.permute(1, 2, 0).cpu().numpy())
