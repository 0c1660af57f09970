"""Gives grey portraits plausible colours, other light and another background."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def tint(
    grey: Tensor, x: Tensor, y: Tensor, split: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Colour a grey portrait.

    Luminance is kept (after random contrast and light); chroma comes from regions: skin, lips,
    hair, clothes, background.

    Args:
        grey: `[S, S]` in 0..1.
        x, y: `[S, S]`, face coordinates, units.
        split: row of the mouth, units.
        random: source of all choices.

    Returns:
        colour `[3, S, S]` in 0..1 and background share `[S, S]` in 0..1.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=random).item()

    backdrop = background_share(grey, x, y)
    skin = _skin_share(grey, x, y) * (1 - backdrop)
    clothes = torch.sigmoid((y - 1.25 + 0.25 * x.abs().clamp(max=1)) / 0.05) * (1 - backdrop)
    clothes = clothes * (1 - skin)
    hair = (1 - backdrop - skin - clothes).clamp(min=0)
    lips = torch.exp(-((x / 0.28) ** 4) - ((y - split - 0.02) / 0.09) ** 2)
    eyes = torch.exp(-(((x.abs() - 0.36) / 0.14) ** 2) - ((y + 0.24) / 0.07) ** 2)

    light = grey.clamp(0, 1) ** uniform(0.75, 1.35)
    light = (light - 0.5) * uniform(0.85, 1.15) + 0.5 + uniform(-0.06, 0.06)
    turn = uniform(0, 6.283)
    slope = uniform(0, 0.22)
    toward = x * math.cos(turn) + 0.5 * y * math.sin(turn)
    light = light * (1 + slope * toward.clamp(-1.5, 1.5))
    light = light.clamp(0.01, 0.99)

    # Chroma as (Cb, Cr) at middle luminance.
    def hue(strength_low: float, strength_high: float) -> Tensor:
        angle, size = uniform(0, 6.283), uniform(strength_low, strength_high)
        return torch.tensor([math.cos(angle), math.sin(angle)]) * size

    warm = uniform(0.75, 1.25)
    skin_hue = torch.tensor([-uniform(0.035, 0.075), uniform(0.06, 0.10)]) * warm
    hair_hue = torch.tensor([-uniform(0.0, 0.11), uniform(0.0, 0.07)]) * uniform(0.0, 1.0)
    chroma = (
        skin_hue[:, None, None] * skin
        + torch.tensor([-0.005, uniform(0.015, 0.07)])[:, None, None] * lips * skin
        + hair_hue[:, None, None] * hair
        + hue(0.0, 0.14)[:, None, None] * clothes
        + hue(0.0, 0.16)[:, None, None] * backdrop
    )
    teeth = lips * torch.sigmoid((grey - 0.62) / 0.04)
    chroma = chroma * (1 - 0.75 * eyes) * (1 - 0.6 * teeth)
    chroma = _blur(chroma) * (4 * light * (1 - light)).clamp(0.15, 1) ** 0.6
    colour = _from_chroma(light, chroma)
    white = torch.tensor([uniform(0.95, 1.05), 1.0, uniform(0.93, 1.05)])
    return (colour * white[:, None, None]).clamp(0, 1), backdrop


def background_share(grey: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """How much each pixel `[S, S]` belongs to the backdrop, from the picture's side columns."""
    width = grey.shape[1]
    edge = max(2, width // 16)
    left, right = grey[:, :edge].mean(1), grey[:, -edge:].mean(1)
    sides = torch.linspace(0, 1, width)
    model = left[:, None] * (1 - sides) + right[:, None] * sides
    same = torch.exp(-((grey - model) / 0.05).square())
    grown = F.avg_pool2d(same[None, None], 5, 1, 2)[0, 0]
    face = torch.sigmoid((1 - ((x / 0.82) ** 2 + ((y + 0.08) / 1.25) ** 2).sqrt()) / 0.05)
    body = torch.sigmoid((y - 1.35 + 0.5 * (1.2 - x.abs())) / 0.08)
    return _smooth((grown - 0.35) / 0.4) * (1 - face) * (1 - body)


def _skin_share(grey: Tensor, x: Tensor, y: Tensor) -> Tensor:
    face = torch.sigmoid((1 - ((x / 0.86) ** 2 + ((y + 0.05) / 1.2) ** 2).sqrt()) / 0.06)
    neck = torch.sigmoid((0.55 - x.abs()) / 0.06) * torch.sigmoid((1.45 - y) / 0.08) * (y > 0.5)
    cheeks = (x.abs() < 0.5) & (y > -0.1) & (y < 0.45)
    tone = grey[cheeks].median() if cheeks.any() else grey.median()
    bright = torch.sigmoid((grey / tone.clamp(min=0.05) - 0.52) / 0.07)
    soft = F.avg_pool2d(bright[None, None], 3, 1, 1)[0, 0]
    collar = torch.sigmoid((1.45 - grey / tone.clamp(min=0.05)) / 0.08) * (y > 0.95) + (y <= 0.95)
    inner = torch.sigmoid((0.75 - ((x / 0.8) ** 2 + ((y - 0.15) / 1.0) ** 2).sqrt()) / 0.08)
    return (torch.maximum(face, neck) * torch.maximum(soft, inner * 0.8) * collar).clamp(0, 1)


def _from_chroma(light: Tensor, chroma: Tensor) -> Tensor:
    """Luminance `[S, S]` and (Cb, Cr) `[2, S, S]` to RGB (ITU-R BT.601)."""
    blue, red = chroma
    return torch.stack(
        [light + 1.402 * red, light - 0.344 * blue - 0.714 * red, light + 1.772 * blue]
    )


def _blur(x: Tensor) -> Tensor:
    return F.avg_pool2d(x[None], 3, 1, 1)[0]


def _smooth(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)
