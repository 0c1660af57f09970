"""Where the face, the lips and the background are: the masks that steer Hallo's audio attention.

The numbers are those of the published preprocessing (fudan-generative-vision/hallo,
`hallo/utils/util.py` and `hallo/datasets/image_processor.py`), which works on 8-bit pictures with
OpenCV and Pillow. Rounding happens at each step there, so it does here: a rectangle around the
landmarks, sampled on a canvas of 64 by 64, blurred, stretched to 0..255, and resized per level.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import correlate1d
from torch import Tensor

from silencer_core.errors import SilencerError

# The points of MediaPipe's face mesh (478 points) that bound the lips and the face.
# fmt: off
MESH_LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375,
)
MESH_OUTLINE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on

LIP_EXPANSION = 2.0
FACE_EXPANSION = 1.2
CANVAS = 64  # the blur is defined on this many pixels, whatever the size of the portrait
FACE_BLUR = 51
LIP_BLUR = 31


class Regions(NamedTuple):
    """Three 8-bit pictures `[64, 64]`, in the order in which a level's masks are stacked."""

    background: np.ndarray
    face: np.ndarray
    lip: np.ndarray


def rectangle(
    points: np.ndarray,
    height: int,
    width: int,
    expansion: float,
    *,
    published_large_face_bug: bool = False,
) -> np.ndarray:
    """Fill the box around landmarks, grown about its centre and shifted back into the picture.

    Args:
        points: landmarks `[N, 2]` as (x, y) in pixels of the picture; they may lie outside it.
        height, width: size of the picture in pixels.
        expansion: how many times larger the rectangle is than the landmarks' box.
        published_large_face_bug: a box grown beyond the picture is clipped to it. The published
            code shifts it to a negative start instead, which keeps only a strip at the far edge
            (20..250, grown by 1.2 in 256 pixels, fills 236..256). True does the same.

    Returns:
        uint8 `[height, width]`, 255 inside and 0 outside.

    Raises:
        SilencerError: no points, or points that are not finite.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise SilencerError(f"landmarks: expected points of shape [N, 2], found {points.shape}")
    if not np.isfinite(points).all():
        raise SilencerError("landmarks: some coordinates are not finite numbers")
    low, high = np.round(points.min(0)), np.round(points.max(0))
    left, right = _grown(low[0], high[0], width, expansion)
    top, bottom = _grown(low[1], high[1], height, expansion)
    if not published_large_face_bug:
        left, top = max(left, 0), max(top, 0)
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def _grown(low: float, high: float, limit: int, expansion: float) -> tuple[int, int]:
    middle = (low + high) // 2
    half = (high - low) * expansion // 2
    low, high = middle - half, middle + half
    if low < 0:
        low, high = 0, high - low
    if high > limit:
        low, high = low - (high - limit), limit
    return round(low), round(high)


def face_region(face: np.ndarray, size: int) -> Tensor:
    """The face locator's input: the face mask on the portrait's own grid.

    Args:
        face: uint8 `[H, W]`, as `rectangle` gives it.
        size: side of the portrait in pixels.

    Returns:
        float32 `[3, size, size]` in 0..1, three equal channels.
    """
    return _resized(face, size).expand(3, -1, -1).contiguous()


def regions(
    face: np.ndarray, lip: np.ndarray, *, published_large_face_bug: bool = False
) -> Regions:
    """Soften a face and a lip mask and separate them into background, face without lips, and lips.

    Args:
        face, lip: uint8 `[H, W]`, of any size.
        published_large_face_bug: a face that fills the whole picture counts as face. In the
            published code its stretched mask is empty. True does the same.

    Returns:
        `Regions` of uint8 `[64, 64]`.
    """
    face = softened(face, FACE_BLUR, empty_if_full=published_large_face_bug)
    lip = softened(lip, LIP_BLUR, empty_if_full=published_large_face_bug)
    background = ((1.0 - face / 255.0) * 255).astype(np.uint8)  # truncates, as published
    return Regions(background, face - np.minimum(face, lip), lip)


def attention_masks(
    parts: Regions, size: int, *, factor: int = 8, levels: int = 4
) -> tuple[Tensor, ...]:
    """The three masks at every depth of the denoising network.

    Args:
        parts: what `regions` gives.
        size: side of the portrait in pixels.
        factor: pixels per latent along one side (8 for the published autoencoder).
        levels: depths of the network; level i sees latents halved i times.

    Returns:
        One float32 tensor `[3, tokens]` per level in 0..1, tokens = (size / factor / 2^i)^2 in
        row-major order; rows are background (Hallo's "full" mask), face, lip.

    Raises:
        SilencerError: a size that leaves the deepest level no token.
    """
    if size // factor >> (levels - 1) < 1:
        raise SilencerError(
            f"portrait size {size}: with {factor} pixels per latent and {levels} levels it must "
            f"be at least {factor << (levels - 1)}"
        )
    return tuple(
        torch.cat([_resized(part, (size // factor) >> level).flatten(1) for part in parts])
        for level in range(levels)
    )


def _resized(mask: np.ndarray, size: int) -> Tensor:
    picture = Image.fromarray(mask).resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255.0)[None]


def softened(mask: np.ndarray, kernel_size: int, *, empty_if_full: bool = False) -> np.ndarray:
    """A mask on the canvas, blurred and stretched to 0..255; an even one stays as it is.

    Args:
        mask: uint8 `[H, W]`.
        kernel_size: width of the Gaussian in canvas pixels, odd: FACE_BLUR or LIP_BLUR.
        empty_if_full: a mask of ones becomes empty, as in the published code.

    Returns:
        uint8 `[64, 64]`.
    """
    blurred = _blurred(_sampled(mask), kernel_size)
    low, high = int(blurred.min()), int(blurred.max())
    if low == high:
        return np.zeros_like(blurred) if empty_if_full else blurred
    scale = 255.0 * (1.0 / (high - low))
    stretched = blurred * np.float32(scale) - np.float32(low * scale)  # float32, as OpenCV
    return np.round(stretched).clip(0, 255).astype(np.uint8)


def _sampled(mask: np.ndarray) -> np.ndarray:
    """Bilinear samples on the canvas, not antialiased, in OpenCV's fixed point for 8 bits.

    Rows and columns are weighted in 1/2048; twice, bits are dropped to stay within 32. The steps
    are kept because a small mask's rounding errors grow when it is stretched to 0..255.
    """
    (top, bottom, down), (left, right, across) = map(_taps, mask.shape)
    sums = []
    for rows in (top, bottom):
        picked = mask[rows].astype(np.int64)
        sums.append(picked[:, left] * (2048 - across) + picked[:, right] * across >> 4)
    upper, lower = sums[0] * (2048 - down)[:, None] >> 16, sums[1] * down[:, None] >> 16
    return (upper + lower + 2 >> 2).astype(np.uint8)


def _taps(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per canvas pixel: the two source pixels it lies between, and the second one's weight."""
    at = ((np.arange(CANVAS) + 0.5) * (1.0 / (CANVAS / side)) - 0.5).astype(np.float32)
    at = at.clip(0, side - 1)
    first = np.floor(at).astype(np.int64)
    weight = np.round((at - first) * 2048).astype(np.int64)
    return first, np.minimum(first + 1, side - 1), weight


def _blurred(picture: np.ndarray, kernel_size: int) -> np.ndarray:
    """Gaussian blur of an 8-bit picture in fixed point, mirrored at the edges, as OpenCV does."""
    kernel = _gaussian(kernel_size)
    sums = picture.astype(np.int64)
    for axis in (1, 0):
        sums = correlate1d(sums, kernel, axis=axis, mode="mirror")
    return ((sums + (1 << 15)) >> 16).astype(np.uint8)


def _gaussian(kernel_size: int) -> np.ndarray:
    """Weights in 1/256 that sum to 256; what rounding loses is carried to the next weight."""
    half = kernel_size // 2
    sigma = 0.3 * (half - 1) + 0.8
    exact = np.exp(-0.5 * ((np.arange(kernel_size) - half) / sigma) ** 2)
    exact *= 256 / exact.sum()
    weights = np.zeros(kernel_size, dtype=np.int64)
    carried = 0.0
    for i in range(half):
        wanted = exact[i] + carried
        weights[i] = weights[-1 - i] = round(wanted)
        carried = wanted - weights[i]
    weights[half] = 256 - weights.sum()
    return weights
