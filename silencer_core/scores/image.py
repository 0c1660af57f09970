"""How visible a change of a photo is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import correlate1d
from torch import Tensor

from silencer_core.errors import SilencerError

from .perceptual import lpips_distance

# Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment",
# Asilomar 2003: exponents from the finest scale to the coarsest.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_KERNEL = 11  # side of the Gaussian window of MS-SSIM, pixels
_SIGMA = 1.5
_SSIM_WINDOW = 7  # side of scikit-image's uniform window, pixels
_STRIP = 128  # rows whose colours are compared at once
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2  # Wang's constants for data in 0..1

_GRID = 2 ** (len(MS_SSIM_WEIGHTS) - 1)  # the coarsest scale's pixel
_REACH = _KERNEL * _GRID  # beyond it, a changed pixel is not felt at any scale


@dataclass(frozen=True)
class Visibility:
    """How far two photos differ. Identical photos have an infinite PSNR.

    Attributes:
        psnr: peak signal-to-noise ratio in dB; higher = less visible.
        ssim: structural similarity, -1..1; higher = less visible.
        ms_ssim: the same over several scales, 0..1; higher = less visible.
        linf: the largest change of a value, in units of 1/255; lower = less visible.
        l2: root of the sum of squared changes, values in 0..1; lower = less visible.
        delta_e: mean CIEDE2000 colour difference; lower = less visible. A tint that PSNR and SSIM
            hardly count shows in it.
        lpips: learned perceptual distance; lower = less visible. None where its package or its
            weights are not installed.
    """

    psnr: float
    ssim: float
    ms_ssim: float
    linf: float
    l2: float
    delta_e: float
    lpips: float | None = None


class _Part(NamedTuple):
    """Both photos and the mask where anything differs, `[C, h, w]`; and what is left out."""

    before: Tensor
    after: Tensor
    mask: Tensor
    height: int
    width: int


def visibility(before: Tensor, after: Tensor, mask: Tensor | None = None) -> Visibility:
    """Compare two photos, in memory that grows with the part in which they differ.

    SSIM is scikit-image's (Wang et al. 2004, uniform window of 7), averaged over channels. MS-SSIM
    follows Wang et al. 2003 (Gaussian window of 11, five scales); pictures too small for five
    scales get fewer, whose weights are brought to a sum of 1.

    Args:
        before, after: `[3, H, W]` in 0..1, any float type and device. Round them to 8 bit first
            if files are to be compared.
        mask: `[H, W]` or `[1, H, W]` in 0..1, the weight of each pixel in every average, sum and
            maximum but LPIPS; everything by default.

    Raises:
        SilencerError: photos of different sizes, smaller than 11 pixels, or an empty mask.
    """
    _check(before, after, mask)
    before, after = before.detach().cpu(), after.detach().cpu()
    height, width = before.shape[1:]
    weight = torch.ones(1, height, width) if mask is None else mask.detach().cpu().float()
    weight = weight.reshape(1, height, width)
    total = float(weight.sum(dtype=torch.float64))
    if total <= 0:
        raise SilencerError("mask: it is empty; it must be above 0 where photos are compared")

    part = _changed(before, after, weight)
    change = (part.after - part.before) * (part.mask > 0)
    squares = float((change.square() * part.mask).sum(dtype=torch.float64))
    return Visibility(
        psnr=_decibels(squares / (3 * total)),
        ssim=_ssim(part, weight),
        ms_ssim=_ms_ssim(part, weight),
        linf=255 * float(change.abs().max()),
        l2=math.sqrt(float(change.square().sum(dtype=torch.float64))),
        delta_e=_colour_difference(part) / total,
        lpips=lpips_distance(before, after),
    )


def _check(before: Tensor, after: Tensor, mask: Tensor | None) -> None:
    if before.ndim != 3 or before.shape[0] != 3 or before.shape != after.shape:
        raise SilencerError(
            f"photos: expected two of shape [3, height, width], found {list(before.shape)} and "
            f"{list(after.shape)}; compare photos of one size"
        )
    if min(before.shape[1:]) < _KERNEL:
        raise SilencerError(
            f"photos: {before.shape[2]} x {before.shape[1]} pixels are too few to compare; the "
            f"shorter side must be at least {_KERNEL}"
        )
    if mask is not None and mask.numel() != before[0].numel():
        raise SilencerError(
            f"mask: it has shape {list(mask.shape)}, but the photos are "
            f"{list(before.shape[1:])}; give a mask of their size"
        )


def _changed(before: Tensor, after: Tensor, weight: Tensor) -> _Part:
    """The rectangle outside which both photos agree at every scale, on the coarsest grid."""
    height, width = before.shape[1:]
    differs = (before != after).any(0)
    spans = []
    for line, limit in ((differs.any(1), height), (differs.any(0), width)):
        places = line.nonzero()
        first, last = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
        low = max(first - _REACH, 0) // _GRID * _GRID
        high = min(-(-(last + 1 + _REACH) // _GRID) * _GRID, limit)
        spans.append(slice(low, max(high, min(_KERNEL, limit))))
    rows, columns = spans
    cut = (slice(None), rows, columns)
    return _Part(before[cut].float(), after[cut].float(), weight[cut], height, width)


def _decibels(mean_square: float) -> float:
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def _colour_difference(part: _Part) -> float:
    """Weighted sum of CIEDE2000 (Sharma et al. 2005), sRGB in daylight; a strip at a time."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    total = 0.0
    for top in range(0, part.before.shape[1], _STRIP):
        strip = (slice(None), slice(top, top + _STRIP))
        one, other = (rgb2lab(x[strip].numpy(), channel_axis=0) for x in part[:2])
        differs = deltaE_ciede2000(one, other, channel_axis=0)
        total += float((differs * part.mask[strip][0].numpy()).sum(dtype=np.float64))
    return total


def _ssim(part: _Part, weight: Tensor) -> float:
    """Weighted mean of scikit-image's map; 1 wherever the part does not reach."""
    from skimage.metrics import structural_similarity

    border = (_SSIM_WINDOW - 1) // 2  # incomplete windows, which scikit-image leaves out
    inside = np.s_[border:-border, border:-border]
    loss = 0.0
    for one, other in zip(part.before, part.after, strict=True):
        _, similarity = structural_similarity(
            one.numpy(), other.numpy(), win_size=_SSIM_WINDOW, data_range=1.0, full=True
        )
        loss += float(((1 - similarity) * part.mask[0].numpy())[inside].sum(dtype=np.float64))
    total = float(weight[0].numpy()[inside].sum(dtype=np.float64))
    return 1 - loss / (3 * total) if total else 1.0


def _ms_ssim(part: _Part, weight: Tensor) -> float:
    """Mean over channels, one at a time and in double precision: variances are differences."""
    channels = zip(part.before.numpy(), part.after.numpy(), strict=True)
    mask, whole = part.mask[0].numpy(), weight[0].numpy()
    means = [_ms_ssim_of(one, other, mask, whole) for one, other in channels]
    return sum(means) / len(means)


def _ms_ssim_of(one: np.ndarray, other: np.ndarray, mask: np.ndarray, whole: np.ndarray) -> float:
    """Of a part `[h, w]` with its mask, and the mask `[H, W]` of the whole that it was cut from."""
    one, other, product = one.astype(np.float64), other.astype(np.float64), 1.0
    fitting = [k for k in range(len(MS_SSIM_WEIGHTS)) if min(whole.shape) >> k >= _KERNEL]
    weights = np.array(MS_SSIM_WEIGHTS[: len(fitting)])
    for scale, exponent in enumerate(weights / weights.sum()):
        luminance, contrast = _structure(one, other)
        last = scale + 1 == len(weights)
        similarity = luminance * contrast if last else contrast
        loss = ((1 - similarity) * _inner(mask)).sum(dtype=np.float64)
        total = _inner(whole).sum(dtype=np.float64)
        product *= max(1 - loss / total, 0.0) ** exponent if total > 0 else 1.0
        if not last:
            one, other, mask, whole = (_halved(x) for x in (one, other, mask, whole))
    return float(product)


def _structure(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and contrast-structure `[h - 10, w - 10]` of `[h, w]`."""
    mean_one, mean_other = _blurred(one), _blurred(other)
    product = mean_one * mean_other
    squares = mean_one**2 + mean_other**2
    covariance = _blurred(one * other) - product
    variances = _blurred(one**2 + other**2) - squares
    luminance = (2 * product + _LUMINANCE) / (squares + _LUMINANCE)
    return luminance, (2 * covariance + _CONTRAST) / (variances + _CONTRAST)


def _blurred(x: np.ndarray) -> np.ndarray:
    """Gaussian of 11 x 11 in the places where it fits entirely."""
    kernel = np.exp(-0.5 * ((np.arange(_KERNEL) - _KERNEL // 2) / _SIGMA) ** 2)
    kernel /= kernel.sum()
    return _inner(correlate1d(correlate1d(x, kernel, axis=0), kernel, axis=1))


def _inner(x: np.ndarray) -> np.ndarray:
    """Where a window fits entirely."""
    border = _KERNEL // 2
    return x[border:-border, border:-border]


def _halved(x: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; an odd last row or column is dropped."""
    height, width = (side // 2 for side in x.shape)
    return x[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))
