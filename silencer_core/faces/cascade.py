"""Faces by the cascade inside scikit-image: nothing to download, boxes only.

The classifier is the frontal-face cascade of local binary patterns (Liao et al. 2007) that
scikit-image brings along. It says where a face is; where lips and outline lie in it is estimated
from the proportions of a face.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from silencer_core.faces.face import Face

_SCALE_STEP = 1.1
_SAME_FACE = 0.4  # overlap (intersection over union) from which two windows show one face
_VOTES_BESIDE_THE_BEST = 0.3  # a second face must gather this share of the best one's votes
_TURN = 15.0  # degrees by which the photo is also turned, either way
_ROLL_PER_TURN = 1.74  # a face's roll, in units of the mean turn of its votes; measured


class _Search(NamedTuple):
    """How to look for faces.

    `short_side`, `long_side`: the photo is scaled to the first, or to the second if that is
    smaller. `smallest_face`: in pixels of the scaled photo. `step`: from window to window, in
    units of the window's scale. `votes`: how many a face must have.
    """

    short_side: int
    long_side: int
    smallest_face: int
    step: float
    votes: int


_CAREFUL = _Search(short_side=240, long_side=960, smallest_face=30, step=1.0, votes=10)
_QUICK = _Search(short_side=480, long_side=1440, smallest_face=24, step=1.5, votes=8)
_SECOND_LOOKS = 5
_SURE = 13  # votes of a careful search; pictures without a face gathered up to 12

# Where things lie, from the centre of the box and in units of its side, on a face seen from the
# front: medians over official portraits of what MediaPipe's face mesh finds there. Lips are given
# a little more height, as an upper or lower one is often missed otherwise.
_LIPS_CENTRE = (0.0, 0.303)
_LIPS_HALF = (0.184, 0.075)
_OUTLINE_CENTRE = (0.0, 0.078)
_OUTLINE_HALF = (0.418, 0.5)
_ANGLES = np.arange(24) * (2 * np.pi / 24)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)


class _Group(NamedTuple):
    """Windows that show one face: their mean, and how many they are."""

    left: float
    top: float
    side: float
    turn: float  # degrees
    votes: int

    @property
    def weight(self) -> float:
        """Size counts beside votes: eyes and mouths inside a face gather votes of their own."""
        return self.votes * self.side**1.5

    def touches(self, other: _Group) -> bool:
        """Whether two windows share any area."""
        return self._overlap(other) > 0

    def overlaps(self, other: _Group) -> bool:
        """Whether two windows show one face."""
        return self._overlap(other) >= _SAME_FACE

    def _overlap(self, other: _Group) -> float:
        return float(_overlap(np.array(self[:3]), np.array([other[:3]]))[0])


class CascadeBackend:
    """Faces seen roughly from the front, tilted by up to about 30 degrees.

    A search looks at the photo, at its mirror image, at it with its contrast equalised, and at it
    turned a little either way. Every window in which the classifier sees a face is a vote.
    Windows that overlap are one face, at their mean, and its tilt is read from how the turned
    photos voted. Where a search of the whole photo finds nothing sure, a quick one looks for
    smaller faces, down to 5 % of the photo's shorter side, and what it finds is searched again
    from nearby. The result depends on the photo alone, not on the number of threads.
    """

    name = "cascade"

    def __init__(self) -> None:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade

        self._cascade = Cascade(lbp_frontal_face_cascade_filename())

    def find(self, photo: Tensor) -> list[Face]:
        """Find faces.

        Args:
            photo: `[3, H, W]` in 0..1, any float type and device.

        Returns:
            All faces, largest first; `score` counts votes. Lips and outline are ellipses.
        """
        photo = photo.detach()
        groups = self._groups(photo, _CAREFUL)
        found = _faces_among(groups)
        if not found or found[0].votes < _SURE:  # a doubtful one stays if nothing else convinces
            found = _faces_among(groups + self._second_look(photo))
        return sorted((_face(group) for group in found), key=lambda face: -face.area)

    def _second_look(self, photo: Tensor) -> list[_Group]:
        """Sure faces in what a quick search for small ones points at."""
        height, width = photo.shape[1:]
        found: list[_Group] = []
        guesses = sorted(self._groups(photo, _QUICK), key=lambda group: -group.votes)
        for guess in guesses[:_SECOND_LOOKS]:
            left, top = max(int(guess.left - guess.side), 0), max(int(guess.top - guess.side), 0)
            right = min(int(guess.left + 2 * guess.side), width)
            bottom = min(int(guess.top + 2 * guess.side), height)
            nearby = self._groups(photo[:, top:bottom, left:right], _CAREFUL)
            for near in _faces_among(nearby):
                face = near._replace(left=near.left + left, top=near.top + top)
                seen = any(face.touches(other) for other in found)
                if face.votes >= _SURE and face.overlaps(guess) and not seen:
                    found.append(face)
        return found

    def _groups(self, photo: Tensor, search: _Search) -> list[_Group]:
        """Groups with enough votes, in photo pixels."""
        grey, scale = _grey(photo, search)
        groups = _grouped(self._votes(grey, search))
        return [
            _Group(g.left / scale, g.top / scale, g.side / scale, g.turn, g.votes)
            for g in groups
            if g.votes >= search.votes
        ]

    def _votes(self, grey: np.ndarray, search: _Search) -> np.ndarray:
        """All windows that show a face: `[N, 4]` as left, top, side, turn in degrees."""
        height, width = grey.shape
        votes = []
        for picture in (grey, _equalised(grey)):
            votes.append(_with_turn(self._windows(picture, search), 0.0))
        mirrored = self._windows(grey[:, ::-1], search)
        mirrored[:, 0] = width - mirrored[:, 0] - mirrored[:, 2]
        votes.append(_with_turn(mirrored, 0.0))
        for turn in (-_TURN, _TURN):
            windows = self._windows(_turned(grey, turn), search)
            half = windows[:, 2:] / 2
            middle = np.array([width, height]) / 2
            windows[:, :2] = _rotated(windows[:, :2] + half - middle, turn) + middle - half
            votes.append(_with_turn(windows, turn))
        return np.concatenate(votes)

    def _windows(self, grey: np.ndarray, search: _Search) -> np.ndarray:
        """Where the classifier sees a face: `[N, 3]` as left, top, side, in a fixed order."""
        hits = self._cascade.detect_multi_scale(
            # Around zero: the classifier compares sums in single precision.
            np.ascontiguousarray(grey - 0.5),
            scale_factor=_SCALE_STEP,
            step_ratio=search.step,
            min_size=(search.smallest_face, search.smallest_face),
            max_size=grey.shape,
            min_neighbor_number=0,
            intersection_score_threshold=2.0,  # no merging there: it depends on thread timing
        )
        return np.array(
            sorted((hit["c"], hit["r"], hit["width"]) for hit in hits), dtype=np.float64
        ).reshape(-1, 3)


def _grey(photo: Tensor, search: _Search) -> tuple[np.ndarray, float]:
    """Luma of the photo at the search's size, and that size relative to the photo's."""
    height, width = photo.shape[1:]
    scale = min(search.short_side / min(height, width), search.long_side / max(height, width))
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    small = F.interpolate(
        photo.float()[None], size, mode="bilinear", antialias=scale < 1, align_corners=False
    )[0]
    weights = small.new_tensor([0.299, 0.587, 0.114])
    return torch.einsum("chw,c->hw", small, weights).cpu().numpy(), scale


def _equalised(grey: np.ndarray) -> np.ndarray:
    """Each pixel's rank among all, 0..1."""
    levels = np.round(grey * 255).clip(0, 255).astype(np.int64)
    counts = np.bincount(levels.ravel(), minlength=256)
    ranks = (np.cumsum(counts) - counts / 2) / levels.size
    return ranks[levels].astype(np.float32)


def _turned(grey: np.ndarray, degrees: float) -> np.ndarray:
    """Turned about the middle so that a face rolled by `degrees` stands upright."""
    turned = Image.fromarray(grey).rotate(
        degrees, Image.Resampling.BILINEAR, fillcolor=float(np.median(grey))
    )
    return np.asarray(turned)


def _rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    """About the origin, clockwise as the photo is seen (x to the right, y down)."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _with_turn(windows: np.ndarray, degrees: float) -> np.ndarray:
    return np.concatenate([windows, np.full((len(windows), 1), degrees)], axis=1)


def _faces_among(groups: list[_Group]) -> list[_Group]:
    """The most convincing group, and what else is surely a face."""
    if not groups:
        return []
    best = max(groups, key=lambda group: group.weight)
    needed = max(_SURE, _VOTES_BESIDE_THE_BEST * best.votes)
    others = [group for group in groups if group.votes >= needed and not group.touches(best)]
    return [best, *others]


def _grouped(votes: np.ndarray) -> list[_Group]:
    """Again and again the window with most others around it, together with those."""
    windows = votes[:, :3]
    same = np.array([_overlap(window, windows) >= _SAME_FACE for window in windows])
    neighbours = same.sum(axis=1) if len(votes) else np.zeros(0)
    groups = []
    while neighbours.any():
        members = np.flatnonzero(same[neighbours.argmax()])
        groups.append(_Group(*votes[members].mean(0).tolist(), len(members)))
        neighbours -= same[:, members].sum(1)
        same[members] = same[:, members] = False
        neighbours[members] = 0
    return groups


def _overlap(window: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Intersection over union of one window with each of others."""
    shared = np.minimum(windows[:, :2] + windows[:, 2:], window[:2] + window[2])
    shared = (shared - np.maximum(windows[:, :2], window[:2])).clip(0).prod(1)
    return shared / (windows[:, 2] ** 2 + window[2] ** 2 - shared)


def _face(group: _Group) -> Face:
    left, top, side = group.left, group.top, group.side
    roll = _ROLL_PER_TURN * group.turn
    middle = np.array([left, top]) + side / 2

    def ellipse(centre: tuple[float, float], half: tuple[float, float]) -> np.ndarray:
        points = np.array(centre) + _CIRCLE * np.array(half)
        return middle + side * _rotated(points, roll)

    return Face(
        box=(left, top, left + side, top + side),
        lips=ellipse(_LIPS_CENTRE, _LIPS_HALF),
        outline=ellipse(_OUTLINE_CENTRE, _OUTLINE_HALF),
        score=float(group.votes),
        backend=CascadeBackend.name,
    )
