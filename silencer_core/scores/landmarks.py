"""Landmark distances between two videos, where the published landmark networks are installed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from silencer_core.faces import Face, FaceBackend

from .motion import Videos

EVERY = 4  # frames from one that is looked at to the next


@dataclass(frozen=True)
class LandmarkDistance:
    """Mean distance of landmarks, in heights of the face. Higher = farther from that video.

    Attributes:
        mouth: of the lips, each frame's centred on their own middle (M-LMD).
        face: of lips and outline where they are (F-LMD).
    """

    mouth: float
    face: float


def landmark_distance(
    backend: FaceBackend, videos: Videos, expected: Videos, every: int = EVERY
) -> LandmarkDistance | None:
    """How far landmarks lie from where they are in the videos that the clean photo gives.

    Chen et al., "Lip movements generation at a glance", ECCV 2018 (LMD), normalised by the face.

    Args:
        backend: finds the faces. One without landmark networks estimates lips from the face's
            box, which says nothing about a mouth: the answer is None.
        videos, expected: of the same speeches, `[F_i, 3, S, S]` in 0..1.
        every: look at one frame of so many.

    Returns:
        None where landmarks are not measured or no frame of either video shows a face.
    """
    if getattr(backend, "name", None) != "onnx":
        return None
    pairs = [
        (_largest(backend, frame), _largest(backend, wanted))
        for video, target in zip(videos, expected, strict=True)
        for frame, wanted in zip(video[::every], target[::every], strict=False)
    ]
    found = [_distances(one, other) for one, other in pairs if one and other]
    if not found:
        return None
    mouth, face = np.mean(found, axis=0)
    return LandmarkDistance(float(mouth), float(face))


def _largest(backend: FaceBackend, frame: Tensor) -> Face | None:
    return next(iter(backend.find(frame)), None)


def _distances(one: Face, other: Face) -> tuple[float, float]:
    height = float(np.ptp(other.outline[:, 1]))
    mouth = (one.lips - one.lips.mean(0)) - (other.lips - other.lips.mean(0))
    face = np.concatenate([one.lips - other.lips, one.outline - other.outline])
    return tuple(float(np.linalg.norm(part, axis=1).mean()) / height for part in (mouth, face))
