"""What frames tell about how far speech still moves a face. Pure functions of videos.

A video is `[F, 3, S, S]` in 0..1, an opening `[F]`; several of them, one for each speech, are
pooled. Where a figure cannot be told (a speech that asks for no movement), it is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .mouth import Box, Mouth

LAGS = 5  # frames
_STILL = 1e-6  # a sum of squares below which nothing varies

Openings = Sequence[Tensor]
Videos = Sequence[Tensor]


def gain(asked: Openings, found: Openings) -> float:
    """Slope of what is found on the opening that the speech asks for.

    Least squares with one slope for all speeches and an intercept for each: a mouth that is
    constantly open gains nothing.

    Args:
        asked: per speech `[F_i]`.
        found: measured openings, or any other figure per frame, `[F_i]`.
    """
    pairs = [(_centred(a), _centred(f)) for a, f in zip(asked, found, strict=True)]
    spread = sum(float(a @ a) for a, _ in pairs)
    return sum(float(a @ f) for a, f in pairs) / spread if spread > _STILL else math.nan


def response(spoken: Openings, silent: Openings) -> float:
    """Mean |opening with speech - opening with silence|, frame by frame of `[F_i]` each."""
    differences = [(s - q[: len(s)]).abs() for s, q in zip(spoken, silent, strict=True)]
    return float(torch.cat(differences).mean())


def sync(asked: Openings, found: Openings, lags: int = LAGS) -> float:
    """How well openings follow the speech, wherever the sound begins: a stand-in for SyncNet.

    The highest correlation of `[F_i]` with `[F_i]` moved by up to so many frames either way,
    averaged over speeches. Misleading where hardly anything moves; see `gain` first, and compare
    with `shuffled` speech.
    """
    best = [_best_correlation(a, f, lags) for a, f in zip(asked, found, strict=True)]
    known = [value for value in best if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def shuffled(asked: Openings) -> list[Tensor]:
    """For each speech, what the next one asks for; a single one is turned by half its length.

    Shorter ones are repeated to the length `[F_i]` that is needed.
    """
    if len(asked) == 1:
        return [asked[0].roll(len(asked[0]) // 2)]
    others = [*asked[1:], asked[0]]
    return [
        other.repeat(-(-len(own) // len(other)))[: len(own)]
        for own, other in zip(asked, others, strict=True)
    ]


def distance(one: Videos, other: Videos, box: Box) -> float:
    """RMS difference of two videos in a box, values in 0..1: over frames, colours and pixels.

    Between videos of two voices from one noise, in the lips or in the face, it is the audio
    control; between runs that differ in rounding only, its floor.
    """
    squares = [
        _cut(a[: len(b)] - b[: len(a)], box).square().mean((1, 2, 3))
        for a, b in zip(one, other, strict=True)
    ]
    return float(torch.cat(squares).mean().sqrt())


def wide_window(spoken: Videos, silent: Videos, mouth: Mouth) -> list[Tensor]:
    """Per frame, the RMS difference between speech and silence around the mouth, `[F_i]`.

    Over colours and pixels of a window of 2 x 2 units with the mouth in its middle, cut at the
    picture's edge. Its `gain` on the opening asked for is the wide-window response: it also sees
    a mouth that was displaced, which the meter's narrow window misses.
    """
    box = mouth.wide(spoken[0].shape[-1])
    return [
        _cut(s - q[: len(s)], box).square().mean((1, 2, 3)).sqrt()
        for s, q in zip(spoken, silent, strict=True)
    ]


def lip_motion(videos: Videos, mouth: Mouth) -> float:
    """Mean squared change from frame to frame in the lips, values in 0..1; NaN for one frame."""
    box = mouth.lips(videos[0].shape[-1])
    steps = [_cut(video, box).diff(dim=0).square().mean((1, 2, 3)) for video in videos]
    steps = torch.cat(steps)
    return float(steps.mean()) if len(steps) else math.nan


def identity(videos: Videos, clean: Tensor, mouth: Mouth) -> float:
    """PSNR in dB of frames against the clean portrait `[3, S, S]` in 0..1, outside the lips.

    The mean over frames of each one's PSNR; at most 100.
    """
    size = clean.shape[-1]
    outside = torch.ones(size, size, dtype=torch.bool)
    outside[mouth.lips(size)] = False
    errors = [(video - clean)[..., outside].square().mean((1, 2)) for video in videos]
    return float(-10 * torch.cat(errors).clamp(min=1e-10).log10().mean())


def _cut(frames: Tensor, box: Box) -> Tensor:
    rows, columns = box
    return frames[..., rows, columns]


def _centred(values: Tensor) -> Tensor:
    return values.double() - values.double().mean()


def _best_correlation(asked: Tensor, found: Tensor, lags: int) -> float:
    count = len(asked)
    lags = min(lags, count - 3)
    pairs = (
        (asked[max(0, -lag) : count - max(0, lag)], found[max(0, lag) : count + min(0, lag)])
        for lag in range(-lags, lags + 1)
    )
    found_ones = [value for value in (_correlation(a, f) for a, f in pairs) if value is not None]
    return max(found_ones, default=math.nan)


def _correlation(one: Tensor, other: Tensor) -> float | None:
    one, other = _centred(one), _centred(other)
    spread = float(one @ one) * float(other @ other)
    return float(one @ other) / math.sqrt(spread) if spread > _STILL**2 else None
