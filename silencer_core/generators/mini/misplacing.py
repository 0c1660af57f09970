"""Regions as a bad face finder would give them, so that the mouth has to be found in the portrait.

A network that may trust its masks learns to draw a speaking mouth where they say, whatever the
portrait shows, even a grey one. No change of a portrait could then keep it silent, and no figure
about protections measured with it would mean anything.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ANYWHERE = 0.1  # share of clips whose regions say nothing about places
SHIFT = 0.2  # largest, of half the portrait's side
SCALE = (0.7, 1.4)


def misplaced(
    masks: tuple[Tensor, ...], region: Tensor, random: torch.Generator
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Move and scale each clip's regions, or make one of them everything.

    Args:
        masks: per level `[B, 3, tokens]`, background, face and lip, in 0..1.
        region: the face locator's input `[B, 3, S, S]`.

    Returns:
        the same shapes, float32.
    """
    people, device = len(region), region.device
    draw = {"generator": random, "device": device}
    scale = torch.empty(people, device=device).uniform_(*SCALE, generator=random)
    shift = (2 * torch.rand(people, 2, **draw) - 1) * SHIFT
    place = torch.zeros(people, 2, 3, device=device)
    place[:, 0, 0] = place[:, 1, 1] = 1 / scale
    place[:, :, 2] = -shift / scale[:, None]
    anywhere = torch.rand(people, **draw) < ANYWHERE
    only = F.one_hot(torch.randint(3, (people,), **draw), 3).float()[..., None]

    def moved(picture: Tensor) -> Tensor:
        grid = F.affine_grid(place, list(picture.shape), align_corners=False)
        return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)

    levels = []
    for mask in masks:
        side = round(mask.shape[-1] ** 0.5)
        mask = moved(mask.unflatten(-1, (side, side))).flatten(-2)
        levels.append(torch.where(anywhere[:, None, None], only.expand_as(mask), mask))
    region = moved(region) * (~anywhere).float()[:, None, None, None]
    return tuple(levels), region
