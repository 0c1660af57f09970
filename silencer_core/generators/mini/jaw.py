"""Opens the mouth of a photographed face: jaw and lips are warped, the interior is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Mouth:
    """Where and how far a mouth opens. Lengths in face units (half a face box).

    Attributes:
        split: row at which lips part, at x = 0.
        smile: curvature of that row.
        width: half of the mouth's width.
        drop: how far the lower lip falls at opening 1.
        round_off: part of its width that a fully open mouth loses.
        teeth: 0..1, how much of the upper teeth the drawn interior shows.
        tongue: 0..1, how much of the tongue.
    """

    split: float
    smile: float
    width: float = 0.31
    drop: float = 0.26
    round_off: float = 0.12
    teeth: float = 0.5
    tongue: float = 0.5


def open_mouth(picture: Tensor, x: Tensor, y: Tensor, mouth: Mouth, opening: Tensor) -> Tensor:
    """Warp one coloured portrait to several openings.

    Args:
        picture: `[3, S, S]` in 0..1.
        x, y: `[S, S]`, face coordinates of its pixels, units.
        mouth: geometry.
        opening: `[K]` in 0..1; 0 returns the picture itself.

    Shape: `[K, 3, S, S]`.
    """
    gap = (opening * mouth.drop)[:, None, None]
    half = mouth.width * (1 - mouth.round_off * opening)[:, None, None]
    split = mouth.split + mouth.smile * x.square()
    arch = (1 - (x / half).square()).clamp(min=0).sqrt()
    upper, lower = split - 0.1 * gap * arch, split + 0.9 * gap * arch

    # Below the lips the whole jaw falls, most at the lip, nothing at the collar.
    below = (y - lower).clamp(min=0)
    blend = _smooth(below / 0.30)
    jaw = torch.exp(-((x / 0.66) ** 4)) * 0.8
    fall = gap * (0.9 * arch * (1 - blend) + jaw * blend) * (1 - _smooth((y - 0.85) / 0.75))
    rise = 0.1 * gap * arch * torch.exp(-((upper - y).clamp(min=0) / 0.08))
    squeeze = 1 / (1 - mouth.round_off * opening)[:, None, None] - 1
    near = torch.exp(-((y - split) / 0.22).square() - (x / 0.45) ** 4)
    moved_y = y - torch.where(y > split, fall, -rise)
    frames = _read(picture, x, y, x * (1 + squeeze * near), moved_y)

    pixel = (y[1, 0] - y[0, 0]).abs() + (x[1, 0] - x[0, 0]).abs()
    inside = _step((y - upper) / pixel) * _step((lower - y) / pixel) * (gap > 0)
    inside = inside * ((lower - upper) / (2 * pixel)).clamp(0, 1)
    lips = ((y - split).abs() < 0.2) & (x.abs() < mouth.width)
    light = picture.mean(0)[lips].mean() if lips.any() else picture.mean()
    drawn = _interior(x, y, upper, lower, half, mouth, light, pixel)
    return torch.lerp(frames, drawn, inside[:, None]).clamp(0, 1)


def _interior(
    x: Tensor,
    y: Tensor,
    upper: Tensor,
    lower: Tensor,
    half: Tensor,
    mouth: Mouth,
    light: Tensor,
    pixel: Tensor,
) -> Tensor:
    """Dark cavity, a strip of upper teeth, a tongue: `[K, 3, S, S]`."""
    light = 0.35 + 0.9 * light
    colour = {
        "cavity": torch.tensor([0.16, 0.05, 0.05]),
        "teeth": torch.tensor([0.82, 0.77, 0.70]) * light,
        "tongue": torch.tensor([0.60, 0.27, 0.26]) * light,
    }
    gap = lower - upper
    side = (1 - (x / half).square()).clamp(0, 1)
    teeth = _step((upper + 0.055 * side - y) / pixel) * mouth.teeth * _smooth(side * 2)
    rise = (0.45 * gap - 0.03).clamp(min=0) * side
    tongue = _step((y - (lower - rise)) / (2 * pixel)) * mouth.tongue
    drawn = colour["cavity"][:, None, None] * (0.5 + light) * torch.ones_like(gap)[:, None]
    drawn = torch.lerp(drawn, colour["tongue"][:, None, None].expand_as(drawn), tongue[:, None])
    drawn = torch.lerp(drawn, colour["teeth"][:, None, None].expand_as(drawn), teeth[:, None])
    edge = ((y - upper) / 0.04).clamp(0, 1) * 0.35 + 0.65
    return drawn * (edge * (0.6 + 0.4 * side))[:, None]


def _read(picture: Tensor, x: Tensor, y: Tensor, to_x: Tensor, to_y: Tensor) -> Tensor:
    """Picture values at face coordinates `to_x`, `to_y`, `[K, S, S]`."""
    origin = torch.stack([x[0, 0], y[0, 0]])
    across = torch.stack([x[0, 1], y[0, 1]]) - origin
    down = torch.stack([x[1, 0], y[1, 0]]) - origin
    back = torch.linalg.inv(torch.stack([across, down], 1))
    delta = torch.stack([to_x - origin[0], to_y.expand_as(to_x) - origin[1]], -1)
    grid = delta @ back.T * (2 / (picture.shape[-1] - 1)) - 1
    batch = picture[None].expand(len(grid), -1, -1, -1)
    return F.grid_sample(batch, grid, align_corners=True, padding_mode="border", mode="bicubic")


def _smooth(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)


def _step(distance: Tensor) -> Tensor:
    """0 to 1 across one pixel around distance 0 (in pixels)."""
    return (distance + 0.5).clamp(0, 1)
