"""How much each pixel of the photo may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.checks import check_number
from silencer_core.portrait import Portrait
from silencer_core.scores.mouth import mouth_of

LEVELS = 255.0
SMALLEST_CHANGE = 1e-6
MOST_PSNR = 50.0  # a change of less is lost in rounding to 8 bit
_FLAT = 0.012  # standard deviation around a pixel (of 0..1) at which half of the change is allowed


@dataclass(frozen=True)
class Budget:
    """Bounds of a change.

    Attributes:
        linf: largest change of any value, of 0..1; 16/255 is the paper's.
        face_only: nothing changes outside the face's mask, whose edge is soft; otherwise nothing
            outside the portrait, which is soft where the photo goes on beyond it.
        softness: width of this edge, as a share of the face's height, 0..0.5.
        smooth_skin: 0..1, how much of the change is withheld where the photo is smooth, because
            it shows there most; 0 for the same bound everywhere.
        focus: 0..1, how much of it is withheld far from the mouth, which is what a generator looks
            at before it opens it; 0 for the same bound everywhere.
        reach: standard deviation of what counts as near the mouth, in halves of the face's height.
        psnr: dB that the changed portrait keeps at least, so that the change goes where it does
            most instead of everywhere; 0 for no bound but those of each pixel.
    """

    linf: float = 16 / 255
    face_only: bool = True
    softness: float = 0.1
    smooth_skin: float = 0.0
    focus: float = 0.0
    reach: float = 0.5
    psnr: float = 0.0

    def __post_init__(self) -> None:
        check_number("budget: the largest change", self.linf, SMALLEST_CHANGE, 1)
        check_number("budget: softness", self.softness, 0, 0.5)
        check_number("budget: smooth_skin", self.smooth_skin, 0, 1)
        check_number("budget: focus", self.focus, 0, 1)
        check_number("budget: reach", self.reach, 0.05, 10)
        check_number("budget: psnr", self.psnr, 0, MOST_PSNR)

    @property
    def rms(self) -> float:
        """Largest root mean square of the change over the portrait, of 0..1."""
        return 10 ** (-self.psnr / 20)

    def with_linf(self, linf: float) -> Budget:
        """The same with another largest change, and the whole of it in proportion."""
        psnr = self.psnr and self.psnr - 20 * math.log10(linf / self.linf)
        return replace(self, linf=linf, psnr=min(max(psnr, 0.0), MOST_PSNR))

    def allowed(self, photo: Tensor, portrait: Portrait, others: Sequence[Portrait] = ()) -> Tensor:
        """The largest change of each pixel in the portrait's window.

        Args:
            photo: the untouched one, `[3, H, W]` in 0..1.
            others: of the photo, each with a protection of its own: nothing changes in their
                faces, but where the portrait's own is.

        Returns:
            `[1, h, w]` float32 in 0..1 on the CPU.
        """
        rows, columns = portrait.window.slices
        pixels = photo[:, rows, columns].detach()
        allowed = torch.full((1, *pixels.shape[1:]), self.linf)

        def face(one: Portrait) -> Tensor:
            return one.face_mask(self.softness)[:, rows, columns]

        if self.face_only:
            allowed *= face(portrait)
        else:
            allowed *= inside(portrait, self.softness * portrait.face_height)
            if others:
                theirs = torch.stack([face(other) for other in others]).amax(0)
                allowed *= torch.maximum(face(portrait), 1 - theirs)
        if self.smooth_skin:
            allowed *= 1 - self.smooth_skin * smoothness(pixels.cpu())
        if self.focus:
            allowed *= 1 - self.focus * (1 - near_mouth(portrait, self.reach))
        return allowed


def inside(portrait: Portrait, fade: float) -> Tensor:
    """1 in the portrait's window, down to 0 at those of its sides beyond which the photo goes on.

    Args:
        fade: over so many pixels of the photo.

    Returns:
        `[1, h, w]` float32 on the CPU.
    """
    fade = max(fade, 0.5)  # where the outermost pixel's middle lies: none at all

    def ramp(part: slice, end: int) -> Tensor:
        places = torch.arange(part.start, part.stop) + 0.5
        near = torch.full_like(places, fade)
        if part.start > 0:
            near = torch.minimum(near, places - part.start)
        if part.stop < end:
            near = torch.minimum(near, part.stop - places)
        return near / fade

    rows, columns = portrait.window.slices
    height, width = portrait.photo_size
    return (ramp(rows, height)[:, None] * ramp(columns, width))[None]


def bounds_within(pixels: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest values that differ from the pixels by no more than is allowed.

    Args:
        pixels: `[3, h, w]` in 0..1.
        allowed: `[1, h, w]`.

    Returns:
        two of `[3, h, w]` float32 in 0..1, both multiples of 1/255. A value of a 16-bit photo that
        has no multiple of 1/255 within its bound is rounded to the nearest.
    """
    slack = 1e-4  # of a grey level, for float rounding
    low = ((pixels - allowed) * LEVELS - slack).ceil().clamp(0, LEVELS)
    high = ((pixels + allowed) * LEVELS + slack).floor().clamp(0, LEVELS)
    nearest = (pixels * LEVELS).round()
    empty = low > high
    low, high = torch.where(empty, nearest, low), torch.where(empty, nearest, high)
    return low / LEVELS, high / LEVELS


def near_mouth(portrait: Portrait, reach: float) -> Tensor:
    """A Gaussian around the mouth, `[1, h, w]` in 0..1 on the portrait's window.

    Args:
        reach: its standard deviation, in halves of the face's height.
    """
    mouth, window = mouth_of(portrait), portrait.window
    down, across = window.height / portrait.size, window.width / portrait.size
    deviation = reach * mouth.unit
    rows = ((torch.arange(window.height) + 0.5) / down - 0.5 - mouth.y) / deviation
    columns = ((torch.arange(window.width) + 0.5) / across - 0.5 - mouth.x) / deviation
    return torch.exp(-(rows[:, None].square() + columns.square()) / 2)[None]


def smoothness(pixels: Tensor) -> Tensor:
    """How smooth a photo `[3, h, w]` is around each pixel: `[1, h, w]`, 1 where it is flat.

    From the standard deviation of the luminance within 7 x 7 pixels, less that within the picture's
    own fine noise; the eye's masking by texture, in the spirit of just-noticeable-difference maps
    (Chou and Li 1995).
    """
    grey = pixels.float().mean(0, keepdim=True)[None]
    padded = F.pad(grey, (3, 3, 3, 3), mode="replicate")
    mean, square = F.avg_pool2d(padded, 7, 1), F.avg_pool2d(padded.square(), 7, 1)
    spread = (square - mean.square()).clamp(min=0).sqrt()[0]
    return 1 / (1 + (spread / _FLAT).square())
