"""Rounding and clamping that a gradient passes as if they did nothing."""

from __future__ import annotations

from torch import Tensor


def rounded(pixels: Tensor) -> Tensor:
    """To 8 bit: multiples of 1/255 within 0..1."""
    exact = (pixels.detach().clamp(0, 1) * 255).round() / 255
    return passing(exact, pixels)


def bounded(pixels: Tensor) -> Tensor:
    """Clamped to 0..1."""
    return passing(pixels.detach().clamp(0, 1), pixels)


def passing(value: Tensor, pixels: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of `pixels`, which has the same shape."""
    if not pixels.requires_grad:
        return value
    return value.detach() + (pixels - pixels.detach())
