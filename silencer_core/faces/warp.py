"""Turn, scale and shift: the crops that face networks take from a photo.

A similarity of the plane is one multiplication and one addition of complex numbers. The two
coefficients (a, b) of x + iy -> a (x + iy) + b hold scale and rotation, and translation.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates
from torch import Tensor


def scaling(scale: float, shift: np.ndarray) -> np.ndarray:
    """The similarity that scales about the origin, then shifts by (x, y)."""
    return np.array([scale, complex(*shift)])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity that brings points `[N, 2]` closest to others (least squares)."""
    source, target = _complex(source), _complex(target)
    about, towards = source - source.mean(), target - target.mean()
    turn = np.vdot(about, towards) / np.vdot(about, about).real
    return np.array([turn, target.mean() - turn * source.mean()])


def inverse(coefficients: np.ndarray) -> np.ndarray:
    """The similarity that undoes another."""
    turn, shift = coefficients
    return np.array([1 / turn, -shift / turn])


def mapped(points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Points `[..., 2]` under a similarity."""
    turn, shift = coefficients
    moved = _complex(points) * turn + shift
    return np.stack([moved.real, moved.imag], axis=-1)


def warped(photo: Tensor, coefficients: np.ndarray, side: int) -> np.ndarray:
    """A square view of a photo under a similarity, bilinear and black outside the photo.

    Args:
        photo: float32 `[3, H, W]` in 0..1 on the CPU.
        coefficients: from photo pixels to pixels of the view.
        side: of the view in pixels.

    Returns:
        `[3, side, side]`, rounded to 8-bit values 0..255.
    """
    y, x = np.mgrid[:side, :side].astype(np.float64)
    source = mapped(np.stack([x, y], axis=-1), inverse(coefficients))
    at = [source[..., 1], source[..., 0]]
    channels = [map_coordinates(c, at, order=1, mode="grid-constant") for c in photo.numpy()]
    return eight_bits(np.stack(channels))


def eight_bits(picture: np.ndarray) -> np.ndarray:
    """0..1 to whole numbers 0..255."""
    return np.round(picture * 255.0).clip(0, 255)


def _complex(points: np.ndarray) -> np.ndarray:
    return points[..., 0] + 1j * points[..., 1]
