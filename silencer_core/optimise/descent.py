"""What every descent shares: its settings, what it says, and keeping the best it saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from silencer_core.checks import check_choice, check_number, check_whole
from silencer_core.objectives.objective import BoundObjective

from .canvas import Canvas

Norm = Literal["linf", "l2"]

_REDRAWS = 20  # of a validation set on which the untouched photo is without loss
_BACKWARD = 3.0  # a step with its gradient takes so many times as long as a look at its loss


@dataclass(frozen=True)
class Descent:
    """How to descend.

    Attributes:
        steps: at most.
        norm: steps are the steepest in this norm (Madry et al. 2018). "linf" moves every pixel
            alike, by the sign of its gradient; "l2" moves them along the gradient, which spends a
            change where it does most and wants a bound on the whole of it, `Budget.psnr`.
        rate: size of the first steps, of 0..1, falling linearly: of each pixel, or for "l2" of
            their root mean square.
        last_rate: share of `rate` at the end.
        momentum: of gradients scaled to mean magnitude 1 (Dong et al. 2018, MI-FGSM).
        smoothing: standard deviation of the Gaussian that blurs gradients, as a share of the side
            that a generator sees (Dong et al. 2019, translation-invariant attacks); 0 leaves them.
        colour: share of the gradients' colour that is followed; 0 changes all channels of a pixel
            alike, so that a change is of brightness alone, which shows far less than one of
            colour of the same PSNR.
        random_start: share of the budget that the start is drawn from.
        validate_every: steps between looks at the validation draws; the best of these is kept.
        patience: looks without an improvement of 1 % after which it stops; 0 never stops.
        validation: steps' worth of draws in the fixed validation set.
        keep: the best of these looks, or, as published methods do, where the last step led.
    """

    steps: int = 80
    norm: Norm = "linf"
    rate: float = 2 / 255
    last_rate: float = 0.1
    momentum: float = 0.9
    smoothing: float = 0.0
    colour: float = 1.0
    random_start: float = 0.0
    validate_every: int = 10
    patience: int = 0
    validation: int = 3
    keep: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        for name, low in (("steps", 0), ("validate_every", 1), ("patience", 0), ("validation", 1)):
            check_whole(f"descent: {name}", getattr(self, name), low, 1_000_000)
        for name in ("rate", "last_rate", "momentum", "smoothing", "colour", "random_start"):
            check_number(f"descent: {name}", getattr(self, name), 0, 1)
        check_choice("descent: norm", self.norm, get_args(Norm))
        check_choice("descent: keep", self.keep, ("best", "last"))

    def share_of_rate(self, step: int) -> float:
        """Of the first steps' size, at a step counted from 0."""
        done = step / max(1, self.steps - 1)
        return 1 - (1 - self.last_rate) * done


@dataclass(frozen=True)
class Progress:
    """Said before the first step and after every one.

    Attributes:
        step: how many of `steps` are done.
        loss: of the last one; before the first, `began`.
        validation: the best so far of the validation draws, which `began` so for the untouched
            photo; validation / began is what is left of the audio's influence.
        seconds: spent; left: to go, before the first step a rough guess.
    """

    step: int
    steps: int
    loss: float
    validation: float
    began: float
    seconds: float
    left: float


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


Watch = Callable[[Progress, Tensor], None]


class Search:
    """The course of one descent. What it judges, and keeps, is rounded to 8 bit.

    Args:
        objective: what shall fall.
        canvas: what is painted on, and within which bounds.
        seed: of the draws; those of the validation set are others, the same throughout.
        watch: called before the first step and after each with the figures and the pixels
            `[3, h, w]`.
        cancelled: asked before every step.
    """

    def __init__(
        self,
        objective: BoundObjective,
        canvas: Canvas,
        descent: Descent,
        seed: int = 0,
        watch: Watch | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.objective, self.canvas, self.descent = objective, canvas, descent
        self.watch, self.cancelled = watch, cancelled
        self.random = torch.Generator().manual_seed(seed)
        self.fixed = torch.Generator().manual_seed(seed + 1_000_003)
        self.course = Course()
        self.idle = 0

    def steps(self) -> Iterator[int]:
        """Count from 0, until it is done, flat or cancelled."""
        began = time.monotonic()
        self.best = self.pixels = self.canvas.rounded(self.canvas.pixels)
        self._begin()
        self.course.validation.append((0, self.least))
        self._say(time.monotonic() - began)
        for step in range(self.descent.steps):
            if self.cancelled is not None and self.cancelled():
                self.course.cancelled = True
                break
            yield step
            self._say(time.monotonic() - began)
            if self.course.flat:
                break
        self.course.seconds = time.monotonic() - began

    def saw(self, loss: float, pixels: Tensor) -> None:
        """Note a step's loss and where it led."""
        descent, course, self.pixels = self.descent, self.course, pixels
        course.losses.append(loss)
        step = len(course.losses)
        if descent.keep == "last":
            self.best = self.canvas.rounded(pixels)
        if step % descent.validate_every and step < descent.steps:
            return
        shown = self.canvas.rounded(pixels)
        value = self._judge(shown)
        course.validation.append((step, value))
        self.idle = 0 if value < 0.99 * self.least else self.idle + 1
        if value < self.least:
            self.least = value
            self.best = shown if descent.keep == "best" else self.best
        course.flat = bool(descent.patience) and self.idle >= descent.patience

    def _begin(self) -> None:
        """Draw the validation set, anew while it cannot judge: pauses in speech change nothing."""
        for _ in range(_REDRAWS):
            self.draws = [self.objective.draw(self.fixed) for _ in range(self.descent.validation)]
            self.began = self.least = self._judge(self.best)
            if self.began:
                return

    def _judge(self, pixels: Tensor) -> float:
        return sum(self.objective.value(pixels, draws) for draws in self.draws) / len(self.draws)

    def _say(self, seconds: float) -> None:
        course, descent = self.course, self.descent
        course.seconds = seconds
        if self.watch is None:
            return
        done = len(course.losses)
        each = seconds / done if done else _BACKWARD * seconds / descent.validation
        self.watch(
            Progress(
                step=done,
                steps=descent.steps,
                loss=course.losses[-1] if done else self.began,
                validation=self.least,
                began=self.began,
                seconds=seconds,
                left=each * (descent.steps - done),
            ),
            self.pixels,
        )
