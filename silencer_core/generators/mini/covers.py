"""People whose mouths nobody sees: behind cloth, a hand, a microphone, a smear, or pixelated.

They stay as they are whatever is heard. Without them a network learns to draw a speaking mouth
wherever the masks say, even on a grey picture, and nothing about a portrait could keep it silent.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .naturals import Naturals
from .photographs import Shot

_MOUTH = (0.42, 0.34)  # half width and height that a cover of the mouth hides at least, units
_FILLS = ("plain", "skin", "natural", "mosaic", "noise", "smear")


def cover_mouth(shot: Shot, naturals: Naturals, seed: int) -> Shot:
    """The same person, still, the mouth covered in every frame; the seed decides by what."""
    random = torch.Generator().manual_seed(seed)
    grown = _uniform(random, 1.05, 1.7), _uniform(random, 1.05, 1.6)
    half = [size * shot.unit * factor for size, factor in zip(_MOUTH, grown, strict=True)]
    shift = [
        _uniform(random, -0.5, 0.5) * (f - 1) * size * shot.unit
        for f, size in zip(grown, _MOUTH, strict=True)
    ]
    x, y = (at + by for at, by in zip(shot.mouth, shift, strict=True))
    still = shot.frames[:1].expand_as(shot.frames)
    return dataclasses.replace(shot, frames=_cover(still, (x, y), half, naturals, random))


def cover_elsewhere(shot: Shot, naturals: Naturals, seed: int) -> Shot:
    """The same person, speaking, with something before another part of the picture."""
    random = torch.Generator().manual_seed(seed)
    half = [shot.unit * _uniform(random, 0.15, 0.4) for _ in range(2)]
    angle = _uniform(random, math.pi * 0.9, math.pi * 2.1)  # beside or above the mouth
    away = shot.unit * _uniform(random, 1.0, 1.4)
    x, y = shot.mouth[0] + away * math.cos(angle), shot.mouth[1] + away * math.sin(angle)
    return dataclasses.replace(shot, frames=_cover(shot.frames, (x, y), half, naturals, random))


def _cover(
    frames: Tensor,
    middle: tuple[float, float],
    half: list[float],
    naturals: Naturals,
    random: torch.Generator,
) -> Tensor:
    """Frames `[K, 3, S, S]` behind one soft-edged rounded shape."""
    side = frames.shape[-1]
    row, column = torch.meshgrid(*[torch.arange(side).float()] * 2, indexing="ij")
    turn, power = _uniform(random, -0.35, 0.35), _uniform(random, 2.5, 8)
    dx, dy = column - middle[0], row - middle[1]
    across = (dx * math.cos(turn) + dy * math.sin(turn)) / half[0]
    down = (-dx * math.sin(turn) + dy * math.cos(turn)) / half[1]
    away = (across.abs() ** power + down.abs() ** power) ** (1 / power)
    inside = ((1 - away) * min(half) / _uniform(random, 1, 3) + 0.5).clamp(0, 1)
    fill = _fill(frames[0], (across, down), inside, naturals, random)
    return torch.lerp(frames, fill.clamp(0, 1).expand_as(frames), inside)


def _fill(
    picture: Tensor,
    place: tuple[Tensor, Tensor],
    inside: Tensor,
    naturals: Naturals,
    random: torch.Generator,
) -> Tensor:
    """What the cover looks like, `[3, S, S]`."""
    across, down = place
    side, seed = picture.shape[-1], int(torch.randint(10**6, (), generator=random))
    kind = _FILLS[int(torch.randint(len(_FILLS), (), generator=random))]
    colour = torch.rand(3, 1, 1, generator=random)
    if kind == "natural":
        return naturals.crop(seed)
    if kind == "mosaic":
        cells = int(_uniform(random, 6, 16))
        small = F.interpolate(picture[None], size=(cells, cells), mode="area")
        return F.interpolate(small, size=(side, side), mode="nearest")[0]
    if kind == "noise":
        cells = int(_uniform(random, 12, side))
        noise = torch.randn(1, 3, cells, cells, generator=random) * _uniform(random, 0.2, 0.5)
        noise = F.interpolate(noise, size=(side, side), mode="bilinear")[0]
        return picture.mean((1, 2), keepdim=True) + noise
    if kind == "skin":
        colour = _mean(picture, 1 - inside) * _uniform(random, 0.7, 1.1)
    if kind == "smear":
        small = F.interpolate(picture[None], size=(10, 10), mode="area")
        return F.interpolate(small, size=(side, side), mode="bicubic")[0]
    light = 1 + 0.25 * (_uniform(random, -1, 1) * across + _uniform(random, -1, 1) * down)
    folds = 1 + 0.1 * torch.sin(down * _uniform(random, 2, 12)) * _uniform(random, 0, 1)
    return colour * light * folds


def _mean(picture: Tensor, weight: Tensor) -> Tensor:
    return ((picture * weight).sum((1, 2)) / weight.sum().clamp(min=1))[:, None, None]


def _uniform(random: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=random).item()
