"""Where the mouth lies in a portrait, and how far it is open in frames of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.errors import SilencerError

if TYPE_CHECKING:
    from silencer_core.generators.mini.meter import MouthMeter
    from silencer_core.portrait import Portrait

# The meter looks at the middle of a mouth one third open, which lies this far below the middle of
# closed lips, in units. Measured on 149 aligned portraits, checked on 68 others: there the place
# is right to 0.06 units across, 0.1 down (90 %) and the unit to 9 %, and the meter reads known
# openings as well as from the true place (r .997 within, .978 over portraits, for both).
_BELOW_LIPS = 0.083
_METER_UNIT = 40.0  # pixels per unit in the meter's training, about

# Areas around the mouth in units: left, top, right, bottom.
_LIPS = (-0.45, -0.3, 0.45, 0.6)
_FACE = (-0.85, -1.55, 0.85, 0.55)
_WIDE = (-1.0, -1.0, 1.0, 1.0)

Box = tuple[slice, slice]


class Meter(Protocol):
    """Reads openings `[F]`, about 0..1, from frames `[F, 3, S, S]` in 0..1."""

    def read(self, frames: Tensor, mouth: tuple[float, float], unit: float) -> Tensor: ...


@dataclass(frozen=True)
class Mouth:
    """A mouth in a portrait.

    Attributes:
        x, y: middle of the mouth when a third open, portrait pixels; 0 is the first pixel's middle.
        unit: half the height of the face from chin to hairline, portrait pixels; a mouth is 0.6
            to 0.7 units wide.
    """

    x: float
    y: float
    unit: float

    def lips(self, size: int) -> Box:
        """Rows and columns of the lips with room to open, 0.9 x 0.9 units."""
        return self._box(_LIPS, size)

    def face(self, size: int) -> Box:
        """Rows and columns of the face from hairline to chin, 1.7 units wide."""
        return self._box(_FACE, size)

    def wide(self, size: int) -> Box:
        """Rows and columns of the wide window, 2 x 2 units, the mouth in its middle."""
        return self._box(_WIDE, size)

    def _box(self, edges: tuple[float, float, float, float], size: int) -> Box:
        left, top, right, bottom = (edge * self.unit for edge in edges)
        return (
            _span(self.y + top, self.y + bottom, size),
            _span(self.x + left, self.x + right, size),
        )


def mouth_of(portrait: Portrait) -> Mouth:
    """The mouth where the portrait's face has its lips; without a face, where its lip mask is."""
    rows, columns = portrait.window.slices
    down, across = (portrait.size / (part.stop - part.start) for part in (rows, columns))
    face = portrait.face
    if face is None:
        unit = portrait.face_height / 2 * down
        x, y = _centroid(portrait.masks[0][2], portrait.size)
    else:
        unit = float(np.ptp(face.outline[:, 1])) / 2 * down
        x, y = (face.lips.min(0) + face.lips.max(0)) / 2 - [columns.start, rows.start]
        x, y = x * across - 0.5, y * down - 0.5
    return Mouth(float(x), float(y) + _BELOW_LIPS * unit, float(unit))


def moved(mouth: Mouth, source: Portrait, target: Portrait) -> Mouth:
    """The same place of the photo in another portrait that was cut from a photo of its size.

    Raises:
        SilencerError: photos of different sizes.
    """
    if source.photo_size != target.photo_size:
        raise SilencerError(
            f"portraits: one was cut from a photo of {source.photo_size} pixels (height, width), "
            f"the other of {target.photo_size}; a mouth is carried over between equal sizes only"
        )
    here, there = source.window, target.window
    x = here.left + (mouth.x + 0.5) * here.width / source.size
    y = here.top + (mouth.y + 0.5) * here.height / source.size
    return Mouth(
        (x - there.left) * target.size / there.width - 0.5,
        (y - there.top) * target.size / there.height - 0.5,
        mouth.unit * here.height / source.size * target.size / there.height,
    )


def read_openings(meter: Meter, frames: Tensor, mouth: Mouth) -> Tensor:
    """How far the mouth is open in each frame.

    Args:
        meter: `built_in_meter()`, or another.
        frames: `[F, 3, S, S]` in 0..1 of any S; large ones are scaled to what the meter knows.
        mouth: its place in these frames.

    Returns:
        `[F]`, 0 closed to about 1 wide open; not clamped.
    """
    x, y, unit, size = mouth.x, mouth.y, mouth.unit, frames.shape[-1]
    small = round(size * _METER_UNIT / unit)
    if small < 0.7 * size:
        frames = F.interpolate(frames, size=(small, small), mode="bilinear", antialias=True)
        scale = small / size
        x, y, unit = (x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5, unit * scale
    return meter.read(frames, (x, y), unit)


def built_in_meter() -> MouthMeter:
    """The meter that comes with the built-in generator.

    Raises:
        SilencerError: its weights are not there.
    """
    from silencer_core.generators.mini.meter import load_meter
    from silencer_core.generators.mini.weights import METER

    if not METER.is_file():
        raise SilencerError(f"{METER}: the mouth meter's weights are missing; reinstall")
    return load_meter(METER)


def _span(low: float, high: float, size: int) -> slice:
    """Whole pixels between two places, at least one, within the picture."""
    first = min(max(round(low), 0), size - 1)
    return slice(first, min(max(round(high), first + 1), size))


def _centroid(mask: Tensor, size: int) -> tuple[float, float]:
    """Middle `x, y` in portrait pixels of a square of tokens `[n * n]`."""
    side = math.isqrt(len(mask))
    weights = mask.view(side, side) / mask.sum().clamp(min=1e-6)
    places = (torch.arange(side) + 0.5) * size / side - 0.5
    return float(weights.sum(0) @ places), float(weights.sum(1) @ places)
