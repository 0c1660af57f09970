"""Where a protection paints: the portrait's window in the photo, or a smaller copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.portrait import Portrait

from .budget import Budget, bounds_within

FINENESS = 4  # a canvas has at most so many pixels to one that the generator sees, along a side
_STRIP = 256  # rows of the photo that are finished at a time
_SHRINKING = 0.995  # of a change that rounding has made too large


@dataclass(frozen=True, eq=False)
class Canvas:
    """The window's pixels, and how far each may change.

    Where the window is far larger than what the generator sees, a smaller copy stands in, so that
    a step's memory and time do not grow with the photo. The change is brought to the photo's own
    pixels at the end, and bounded there.

    Attributes:
        pixels: float32 `[3, h, w]` in 0..1 to start from.
        low, high: bounds of the same shape, multiples of 1/255.
        allowed: largest change of each of the window's own pixels, `[1, H, W]` in 0..1.
        unchanged: what the change is counted from, `[3, h, w]`.
        rms: largest root mean square of the change, of 0..1.
    """

    pixels: Tensor
    low: Tensor
    high: Tensor
    allowed: Tensor
    unchanged: Tensor
    rms: float

    @classmethod
    def of(
        cls,
        photo: Tensor,
        portrait: Portrait,
        budget: Budget,
        start: Tensor | None = None,
        others: Sequence[Portrait] = (),
    ) -> Canvas:
        """The canvas for a portrait.

        Args:
            photo: the untouched one, `[3, H, W]` in 0..1.
            start: the photo as it is by now, where another face's protection has changed it. What
                this changed stays possible, and does not count.
            others: see `Budget.allowed`.
        """
        allowed = budget.allowed(photo, portrait, others)
        limit = FINENESS * portrait.size
        untouched = _cut(photo, portrait, limit)
        low, high = bounds_within(untouched, _shrunk(allowed, limit))
        if start is None:
            return cls(untouched, low, high, allowed, untouched, budget.rms)
        pixels = _cut(start, portrait, limit)
        low, high = torch.minimum(low, pixels), torch.maximum(high, pixels)
        return cls(pixels, low, high, allowed, pixels, budget.rms)

    def starting_at(self, pixels: Tensor) -> Canvas:
        """The same from other pixels `[3, h, w]`."""
        return replace(self, pixels=pixels)

    def clamped(self, pixels: Tensor) -> Tensor:
        """Pixels `[3, h, w]` brought back into the bounds, those of each and that of all."""
        pixels = self._boxed(pixels)
        change = pixels - self.unchanged
        rms = _rms(change)
        return pixels if self._fits(rms) else self.unchanged + change * (self.rms / rms)

    def rounded(self, pixels: Tensor) -> Tensor:
        """To the nearest 8-bit values within the bounds."""
        change = self.clamped(pixels) - self.unchanged
        while True:
            shown = self._boxed(((self.unchanged + change) * 255).round() / 255)
            if self._fits(_rms(shown - self.unchanged)):
                return shown
            change = change * _SHRINKING

    def _boxed(self, pixels: Tensor) -> Tensor:
        return torch.maximum(torch.minimum(pixels, self.high), self.low)

    def _fits(self, rms: float) -> bool:
        return rms <= self.rms * (1 + 1e-6)  # for float rounding

    def finish(self, painted: Tensor, photo: Tensor, portrait: Portrait, into: Tensor) -> None:
        """Bring what was painted to the photo's own pixels, within their own bounds.

        Args:
            painted: `[3, h, w]`, 8-bit values.
            photo: the untouched one, `[3, H, W]`.
            into: the photo as it is by now, `[3, H, W]`; its window is written to.
        """
        window = into[(slice(None), *portrait.window.slices)]
        if painted.shape == window.shape:
            window.copy_(painted)
            return
        change = F.interpolate(
            (painted - self.pixels)[None], window.shape[1:], mode="bilinear", align_corners=False
        )[0]
        untouched = photo[(slice(None), *portrait.window.slices)]
        for top in range(0, window.shape[1], _STRIP):
            strip = slice(top, top + _STRIP)
            now = window[:, strip].clone()
            low, high = bounds_within(untouched[:, strip].float().cpu(), self.allowed[:, strip])
            changed = ((now + change[:, strip]) * 255).round() / 255
            low, high = torch.minimum(low, now), torch.maximum(high, now)
            window[:, strip] = torch.maximum(torch.minimum(changed, high), low)


def _rms(change: Tensor) -> float:
    return float(change.detach().square().mean().sqrt())


def _cut(photo: Tensor, portrait: Portrait, limit: int) -> Tensor:
    return _shrunk(photo[(slice(None), *portrait.window.slices)].detach(), limit).float().cpu()


def _shrunk(pixels: Tensor, limit: int) -> Tensor:
    """`[C, h, w]` with no side above the limit, antialiased."""
    size = [min(side, limit) for side in pixels.shape[1:]]
    if size == list(pixels.shape[1:]):
        return pixels
    return F.interpolate(pixels[None], size, mode="bilinear", antialias=True, align_corners=False)[
        0
    ]
