"""Real portraits whose mouths open and close, coloured and relit at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .alignment import Alignment, align, read_portraits, sample
from .jaw import Mouth, open_mouth
from .tint import tint

HELD_OUT_EVERY = 10


@dataclass(frozen=True)
class Shot:
    """One portrait at several openings.

    Attributes:
        frames: `[K, 3, S, S]` in 0..1.
        mouth: x, y of the mouth's centre when a third open, pixels.
        unit: half of a face box, pixels; a mouth is about 0.6 units wide.
        face_box, lip_box: left, top, right, bottom, pixels; the lip box covers every opening.
    """

    frames: Tensor
    mouth: tuple[float, float]
    unit: float
    face_box: tuple[float, float, float, float]
    lip_box: tuple[float, float, float, float]


class Photographs:
    """A folder of grey portraits of one size, aligned once and cached.

    Args:
        folder: pictures.
        cache: .npz file for the alignment; written when absent.
        side: S of the shots.

    Held out: every 10th usable portrait (indices 0, 10, 20, ... of the sorted folder).
    """

    def __init__(self, folder: Path, cache: Path | None = None, side: int = 128) -> None:
        self.pictures = read_portraits(folder)
        self.side = side
        if cache is not None and cache.exists():
            self.alignment = Alignment.load(cache)
        else:
            self.alignment = align(self.pictures)
            if cache is not None:
                self.alignment.save(cache)
        usable = self.alignment.usable()
        held_out = usable % HELD_OUT_EVERY == 0
        self.train, self.held_out = usable[~held_out].tolist(), usable[held_out].tolist()

    def shot(
        self,
        index: int,
        opening: Tensor,
        seed: int,
        backdrop: Tensor | None = None,
        plain: bool = False,
    ) -> Shot:
        """One portrait, framed, coloured and relit as the seed says, at openings `[K]`.

        Args:
            index: of the portrait in the sorted folder.
            opening: `[K]` in 0..1; 0 is the photographed mouth.
            seed: decides everything else.
            backdrop: `[3, S, S]` in 0..1 that takes the place of the background, or None.
            plain: no flip, no rotation, middle scale (for measuring).
        """
        random = torch.Generator().manual_seed(seed)

        def uniform(low: float, high: float) -> float:
            return low + (high - low) * torch.rand((), generator=random).item()

        place = self.alignment
        side, middle = self.side, (self.side - 1) / 2
        scale = 0.62 if plain else uniform(0.52, 0.80)
        tilt = 0.0 if plain else uniform(-0.10, 0.10)
        flip = -1.0 if not plain and uniform(0, 1) < 0.5 else 1.0
        shift = (0.0, 0.06) if plain else (uniform(-0.10, 0.10), uniform(-0.06, 0.14))
        # Most heads keep the photograph's own tilt.
        turn = tilt + float(place.angle[index]) * flip
        unit = scale * side / 2
        row, column = torch.meshgrid(*[torch.arange(side).float()] * 2, indexing="ij")
        dx = (column - middle) / unit - shift[0] / scale
        dy = (row - middle) / unit - shift[1] / scale
        cos, sin = math.cos(turn), math.sin(turn)
        x, y = dx * cos + dy * sin, -dx * sin + dy * cos
        frame = (place.centre[[index]], place.unit[[index]], place.angle[[index]])
        # A portrait is wider than 128 pixels: read it twice as fine, then average.
        fine = _finer(x), _finer(y)
        grey = sample(self.pictures[[index]], frame, fine[0] * flip, fine[1])
        grey = torch.nn.functional.avg_pool2d(grey, 2)[0, 0]
        split, smile = float(place.split[index]), float(place.smile[index])
        colour, behind = tint(grey, x, y, split, random)
        if backdrop is not None:
            colour = torch.lerp(colour, backdrop, behind)
        mouth = Mouth(
            split,
            smile,
            width=uniform(0.29, 0.33),
            drop=uniform(0.24, 0.28),
            round_off=uniform(0.08, 0.18),
            teeth=uniform(0.2, 0.9),
            tongue=uniform(0.1, 0.8),
        )
        frames = open_mouth(colour, x, y, mouth, opening)

        def pixel(u: float, v: float) -> tuple[float, float]:
            across = u * cos - v * sin + shift[0] / scale
            down = u * sin + v * cos + shift[1] / scale
            return across * unit + middle, down * unit + middle

        centre, chin = pixel(0, split), pixel(0, split + mouth.drop)
        lips = (centre[0] - mouth.width * unit, centre[1] - 0.14 * unit)
        lips += (centre[0] + mouth.width * unit, chin[1] + 0.12 * unit)
        head = pixel(0, 0.05)
        face = (head[0] - 0.85 * unit, head[1] - 0.95 * unit)
        face += (head[0] + 0.85 * unit, head[1] + 1.05 * unit)
        middle_of_mouth = pixel(0, split + mouth.drop / 3)
        return Shot(frames, middle_of_mouth, unit, face, lips)


def _finer(grid: Tensor) -> Tensor:
    """An affine `[S, S]` grid sampled at the quarter points of its pixels, `[2S, 2S]`."""
    across, down = (grid[0, 1] - grid[0, 0]) / 4, (grid[1, 0] - grid[0, 0]) / 4
    twice = grid.repeat_interleave(2, 0).repeat_interleave(2, 1)
    sign = torch.tensor([-1.0, 1.0]).repeat(len(grid))
    return twice + sign * across + sign[:, None] * down
