"""Pillow's resizing as matrices, so that it has a gradient.

Source: `libImaging/Resample.c` and `Geometry.c` of https://github.com/python-pillow/Pillow: every
output pixel is a weighted mean of the input pixels around the place that it stands for; when a
picture is made smaller the kernel is widened by the same factor.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def resize(pixels: Tensor, size: tuple[int, int], kernel: str) -> Tensor:
    """Resize as `PIL.Image.resize` does, without its rounding to 8 bit.

    Differentiable with respect to the pixels. Not clamped: bicubic and Lanczos overshoot at edges.

    Args:
        pixels: `[C, H, W]`, any float type and device.
        size: height and width of the result.
        kernel: "nearest", "bilinear", "bicubic" or "lanczos".

    Returns:
        `[C, h, w]` of the same type and device.
    """
    rows, columns = (
        weights(kernel, old, new).to(pixels)
        for old, new in zip(pixels.shape[1:], size, strict=True)
    )
    return rows @ (pixels @ columns.T)


def weights(kernel: str, inputs: int, outputs: int) -> Tensor:
    """`[outputs, inputs]` float32: how much of each input sample is in each output sample."""
    scale = inputs / outputs
    samples = torch.arange(inputs)
    if kernel == "nearest":
        return (samples == _nearest(scale, outputs)[:, None]).float()
    centres = (torch.arange(outputs, dtype=torch.float64)[:, None] + 0.5) * scale
    shape, reach = _SHAPES[kernel]
    widened = max(scale, 1.0)
    first = (centres - reach * widened + 0.5).floor()
    last = (centres + reach * widened + 0.5).floor()
    distances = (samples + 0.5 - centres) / widened
    found = shape(distances) * ((samples >= first) & (samples < last))
    return (found / found.sum(1, keepdim=True)).float()


def _nearest(scale: float, outputs: int) -> Tensor:
    """Which input sample each output sample is. Summed up as Pillow does, which settles ties."""
    steps = np.full(outputs, scale)
    steps[0] = scale / 2
    return torch.from_numpy(np.cumsum(steps)).long()


def _bilinear(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _bicubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = -0.5 * (((x - 5) * x + 8) * x - 4)
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


_SHAPES = {"bilinear": (_bilinear, 1.0), "bicubic": (_bicubic, 2.0), "lanczos": (_lanczos, 3.0)}
