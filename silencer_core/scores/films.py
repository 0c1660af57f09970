"""Videos that any generator made, scored by themselves: how far their mouths follow the sound.

`verify` attacks by itself and compares with silence. Here there are only frames, say of a generator
that this package does not know, so less can be told: no audio control, no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.faces import FaceBackend
from silencer_core.generators.mini.mel import RATE, mouth_opening
from silencer_core.portrait import Portrait, find_portrait

from . import motion
from .mouth import Meter, built_in_meter, mouth_of, read_openings
from .report import plain

_SIDE = 256  # pixels of the face that are looked at
_FPS = 25  # of `mouth_opening`
_STILL = 1e-4  # a gain of the first video with which nothing can be compared


@dataclass(frozen=True)
class Film:
    """One video.

    Attributes:
        gain: see `motion.gain`; lower = better protected.
        relative: the gain by the first video's; 0 = speech has lost its hold, 1 = no protection.
        sync: see `motion.sync`.
        lip_motion: see `motion.lip_motion`.
        openings: of the mouth, per frame.
    """

    gain: float
    relative: float
    sync: float
    lip_motion: float
    openings: tuple[float, ...]


@dataclass(frozen=True)
class Films:
    """Several videos of one recording; `asked`: the opening that it asks for, per frame."""

    asked: tuple[float, ...]
    films: dict[str, Film]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what cannot be told is None."""
        return plain(asdict(self))


def score_films(
    videos: Mapping[str, Tensor],
    speech: Speech,
    fps: float = _FPS,
    *,
    backend: FaceBackend | None = None,
    meter: Meter | None = None,
) -> Films:
    """Score videos of one person saying one recording.

    Args:
        videos: by name `[F, 3, H, W]` in 0..1, the unprotected photo's first. The face is looked
            for in its first frame; videos of the same size have it at the same place.
        speech: what they say, from the first frame on.
        fps: frames per second.
        backend: finds the face; the built-in one if none.
        meter: reads mouth openings; the built-in one if none.

    Raises:
        SilencerError: no video, fewer than two frames, or no face in the first.
    """
    if not videos or min(map(len, videos.values())) < 2:
        raise SilencerError("frames: a video of at least two frames is needed to see it move.")
    meter = meter or built_in_meter()
    length = min(map(len, videos.values()))
    asked, portraits, found = _asked(speech, length, fps), {}, {}
    for name, video in videos.items():
        size = video.shape[2:]
        if size not in portraits:
            portraits[size] = find_portrait(video[0], _SIDE, backend=backend)
        found[name] = _film(video[:length], portraits[size], asked, meter)
    first = next(iter(found.values()))["gain"]
    films = {name: Film(relative=_ratio(one["gain"], first), **one) for name, one in found.items()}
    return Films(tuple(asked.tolist()), films)


def _ratio(gain: float, first: float) -> float:
    return gain / first if abs(first) > _STILL else math.nan


def _asked(speech: Speech, frames: int, fps: float) -> Tensor:
    """The opening asked for at each frame, `[frames]`; silence after the end."""
    asked = mouth_opening(speech.resampled(RATE))
    times = torch.arange(frames) * _FPS / fps
    before = times.floor().long()
    asked = F.pad(asked, (0, max(0, int(before[-1]) + 2 - len(asked))))
    return torch.lerp(asked[before], asked[before + 1], times - before)


def _film(video: Tensor, portrait: Portrait, asked: Tensor, meter: Meter) -> dict[str, Any]:
    frames = torch.stack([portrait.crop(frame) / 2 + 0.5 for frame in video])
    mouth = mouth_of(portrait)
    openings = read_openings(meter, frames, mouth)
    return {
        "gain": motion.gain([asked], [openings]),
        "sync": motion.sync([asked], [openings]),
        "lip_motion": motion.lip_motion([frames], mouth),
        "openings": tuple(openings.tolist()),
    }
