"""Projected gradient descent on the photo's own pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from silencer_core.objectives.objective import BoundObjective

from .canvas import Canvas
from .descent import Course, Descent, Norm, Search, Watch


def pgd(
    canvas: Canvas,
    objective: BoundObjective,
    descent: Descent,
    *,
    seed: int = 0,
    watch: Watch | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Tensor, Course]:
    """Change the pixels that the portrait shows so that the objective falls.

    Each step follows the gradient, blurred, paled and with momentum as the descent says, in the
    steepest direction of the descent's norm, and goes back into the bounds (Madry et al. 2018).
    The best by the fixed validation draws is returned, not the last.

    Args:
        canvas: where it starts, and the bounds.
        seed, watch, cancelled: see `Search`.

    Returns:
        pixels `[3, h, w]` of the canvas, multiples of 1/255 within the bounds, and the course.
    """
    search = Search(objective, canvas, descent, seed, watch, cancelled)
    low, high = canvas.low, canvas.high
    pixels = canvas.clamped(canvas.pixels)
    if descent.random_start:
        drawn = low + (high - low) * torch.rand(low.shape, generator=search.random)
        pixels = torch.lerp(pixels, drawn, descent.random_start)
    stride = (high - low) / (high - low).amax().clamp(min=1e-6)  # smaller where less is allowed
    velocity = torch.zeros_like(pixels)
    for step in search.steps():
        found = objective.step(pixels, objective.draw(search.random))
        gradient = _blurred(found.gradient, descent.smoothing * max(pixels.shape[1:]))
        gradient = torch.lerp(gradient.mean(0, keepdim=True), gradient, descent.colour)
        gradient = gradient / gradient.abs().mean().clamp(min=1e-12)
        velocity = descent.momentum * velocity + gradient
        rate = descent.rate * descent.share_of_rate(step)
        pixels = canvas.clamped(pixels - rate * _steepest(velocity, stride, descent.norm))
        search.saw(found.loss, pixels)
    return search.best, search.course


def _steepest(velocity: Tensor, stride: Tensor, norm: Norm) -> Tensor:
    """`[3, h, w]`, of largest size 1, or for "l2" of root mean square 1."""
    if norm == "linf":
        return stride * velocity.sign()
    move = stride * velocity
    return move / move.square().mean().sqrt().clamp(min=1e-12)


def _blurred(gradient: Tensor, deviation: float) -> Tensor:
    """`[3, h, w]`; a deviation of 0 pixels leaves it as it is."""
    if not deviation:
        return gradient
    from kornia.filters import gaussian_blur2d

    size = 2 * min(math.ceil(3 * deviation), min(gradient.shape[1:]) - 1) + 1
    blurred = gaussian_blur2d(gradient[None], (size, size), (deviation, deviation), "reflect")
    return blurred[0]
