"""Random changes as large as a protection: what a change of its size does by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from silencer_core.errors import SilencerError

EQUAL_LINF = "noise of equal L-inf"
EQUAL_L2 = "noise of equal L2"
_ROUNDS = 4  # of fitting what rounding and clipping take


def eight_bits(photo: Tensor) -> Tensor:
    """A photo `[3, H, W]` in 0..1 as an 8-bit file holds it: float32 on the CPU."""
    return photo.detach().cpu().float().mul(255).round_().clamp_(0, 255).div_(255)


def check_size(before: Tensor, after: Tensor) -> None:
    """Refuse a protected photo of another size than the unprotected one with a SilencerError."""
    if before.shape != after.shape:
        raise SilencerError(
            f"photos: unprotected {list(before.shape)}, protected {list(after.shape)}; a "
            "protected photo has the size of the unprotected one"
        )


def check_pair(before: Tensor, after: Tensor) -> None:
    """Refuse photos that cannot be an unprotected and a protected one.

    Raises:
        SilencerError: photos of different sizes, or without any difference after rounding.
    """
    check_size(before, after)
    if torch.equal(eight_bits(before), eight_bits(after)):
        raise SilencerError(
            "photos: the protected one does not differ from the unprotected one; give the file "
            "that `silencer protect` wrote"
        )


def noise_controls(before: Tensor, after: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Two noisy photos, changed only where the protected one is.

    Uniform whole levels between plus and minus the largest change, and a Gaussian change with the
    same root of the sum of squares, fitted after rounding to 8 bit and clipping to 0..1.

    Args:
        before, after: `[3, H, W]` in 0..1, rounded to 8 bit.
        seed: of the noise.

    Returns:
        photos by their names, EQUAL_LINF and EQUAL_L2, float32 in 0..1.

    Raises:
        SilencerError: see `check_pair`.
    """
    check_pair(before, after)
    change = eight_bits(after) - eight_bits(before)
    largest = round(255 * float(change.abs().max()))
    where = (change != 0).any(0).float()
    length = float(change.square().sum(dtype=torch.float64).sqrt())
    del change
    random = torch.Generator().manual_seed(seed)
    uniform = torch.randint(-largest, largest + 1, before.shape, generator=random) / 255
    noisy = eight_bits(before + uniform * where)
    del uniform
    gaussian = torch.randn(before.shape, generator=random) * where
    scale = length / float(gaussian.square().sum(dtype=torch.float64).sqrt())
    for _ in range(_ROUNDS):
        grainy = eight_bits(before + scale * gaussian)
        reached = (grainy - before).square().sum(dtype=torch.float64).sqrt()
        scale *= length / max(float(reached), 1e-9)
    return {EQUAL_LINF: noisy, EQUAL_L2: grainy}
