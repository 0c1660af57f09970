"""Projected gradient descent on the photo's own pixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from silencer_core.objectives.objective import BoundObjective
from silencer_core.portrait import Portrait


@dataclass(frozen=True)
class Descent:
    """How to descend.

    Attributes:
        steps: at most.
        rate: size of the first steps, of 0..1, falling linearly.
        last_rate: share of `rate` at the end.
        momentum: of gradients scaled to mean magnitude 1 (Dong et al. 2018, MI-FGSM).
        random_start: share of the budget that the start is drawn from.
        validate_every: steps between looks at the validation draws; the best of these is kept.
        patience: looks without an improvement of 1 % after which it stops; 0 never stops.
        validation: steps' worth of draws in the fixed validation set.
    """

    steps: int = 80
    rate: float = 2 / 255
    last_rate: float = 0.1
    momentum: float = 0.9
    random_start: float = 0.0
    validate_every: int = 10
    patience: int = 0
    validation: int = 3


@dataclass(frozen=True)
class Progress:
    """Said after every step: `step` of `steps`, its `loss`, and the best `validation` so far."""

    step: int
    steps: int
    loss: float
    validation: float
    seconds: float


@dataclass
class Course:
    """How it went: every step's loss, and (step, value) of every look at the validation draws.

    `cancelled`: stopped from outside; `flat`: stopped because nothing improved any more.
    """

    losses: list[float] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    cancelled: bool = False
    flat: bool = False


def pgd(
    photo: Tensor,
    portrait: Portrait,
    objective: BoundObjective,
    bounds: tuple[Tensor, Tensor],
    descent: Descent,
    *,
    seed: int = 0,
    start: Tensor | None = None,
    progress: Callable[[Progress, Tensor], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Tensor, Course]:
    """Change the pixels that the portrait shows so that the objective falls.

    Each step moves every pixel by the sign of the smoothed gradient and back into its bounds
    (Madry et al. 2018). What is judged, and returned, is rounded to 8 bit; the best by the fixed
    validation draws is returned, not the last.

    Args:
        photo: `[3, H, W]` in 0..1.
        bounds: lowest and highest values `[3, h, w]` in the portrait's window, see
            `Budget.bounds`.
        start: the window's pixels to start from, by default the photo's.
        progress: called with the figures and the window's pixels after each step.
        cancelled: asked before every step; what was best so far is returned.

    Returns:
        the window's pixels `[3, h, w]`, multiples of 1/255 within the bounds, and the course.
    """
    began = time.monotonic()
    rows, columns = portrait.window.slices
    low, high = bounds
    untouched = photo[:, rows, columns].detach().float().cpu()
    random = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(seed + 1_000_003)
    validation = [objective.draw(fixed) for _ in range(descent.validation)]

    def judge(pixels: Tensor) -> float:
        shown = rounded(pixels, low, high)
        return sum(objective.value(shown, draws) for draws in validation) / len(validation)

    pixels = untouched if start is None else start
    pixels = torch.maximum(torch.minimum(pixels, high), low)
    if descent.random_start:
        drawn = low + (high - low) * torch.rand(low.shape, generator=random)
        pixels = torch.lerp(pixels, drawn, descent.random_start)
    allowed = (high - low).amax().clamp(min=1e-6)
    stride = (high - low) / allowed  # smaller steps where less is allowed
    velocity = torch.zeros_like(pixels)
    course = Course()
    best, best_value, idle = rounded(pixels, low, high), judge(pixels), 0
    course.validation.append((0, best_value))
    for step in range(descent.steps):
        if cancelled is not None and cancelled():
            course.cancelled = True
            break
        found = objective.step(pixels, objective.draw(random))
        gradient = found.gradient / found.gradient.abs().mean().clamp(min=1e-12)
        velocity = descent.momentum * velocity + gradient
        done = step / max(1, descent.steps - 1)
        rate = descent.rate * (1 - (1 - descent.last_rate) * done)
        pixels = torch.maximum(torch.minimum(pixels - rate * stride * velocity.sign(), high), low)
        course.losses.append(found.loss)
        last = step + 1 == descent.steps
        if (step + 1) % descent.validate_every == 0 or last:
            value = judge(pixels)
            course.validation.append((step + 1, value))
            idle = 0 if value < 0.99 * best_value else idle + 1
            if value < best_value:
                best, best_value = rounded(pixels, low, high), value
            if descent.patience and idle >= descent.patience:
                course.flat = True
        if progress is not None:
            spent = time.monotonic() - began
            progress(Progress(step + 1, descent.steps, found.loss, best_value, spent), pixels)
        if course.flat:
            break
    course.seconds = time.monotonic() - began
    return best, course


def rounded(pixels: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """To the nearest 8-bit values within bounds that are 8-bit values themselves."""
    return torch.maximum(torch.minimum((pixels * 255).round() / 255, high), low)
