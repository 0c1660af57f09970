"""Clean-ups with a gradient, for a protection that shall survive them.

Every step gives exactly what the real codec or filter gives, 8 bit and all; only its gradient is
that of a smooth stand-in. So the loss is measured on what an attacker will have, and no
difference between a model of a codec and the codec is exploited.

The stand-ins were chosen by how far signed descent through them moves the features of a network
behind the real step. Features moved towards another picture's, remaining distance (1: nothing
gained), 8/255, 40 steps, random convolutions: JPEG 75 .61 with the gradient of the differentiable
JPEG against .73 with the identity; WebP 75 .66 with that of JPEG 95, .69 with JPEG 75, .74 with
the identity; median 3 .48 with its own, .62 with a box blur's, .89 with the identity.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import filters, resampling
from .sequence import KINDS, Step, check_generator, draw_seed, work_on
from .straight import rounded

if TYPE_CHECKING:
    from silencer_core.generators.hallo.generator import Hallo

    from .diffusion import Gradient
    from .image_models import ImageModel

WEBP_AS_JPEG = 95  # what a WebP keeps, seen by its gradient: nearly all but half of the chroma
_LARGEST_MEDIAN = 9  # the median's own gradient takes size^2 copies of the picture


def apply(
    pixels: Tensor,
    sequence: tuple[Step, ...],
    random: torch.Generator | None = None,
    generator: Hallo | ImageModel | None = None,
    *,
    whole: bool = False,
    gradient: Gradient = "straight",
) -> Tensor:
    """What `purify` gives for the same photo and seed, with a gradient to the photo.

    Rounding to 8 bit and clamping to 0..1 pass gradients straight through. Between forward and
    backward only the picture before each step is kept.

    Args:
        pixels: `[3, H, W]` in 0..1, any float type, which is computed in float32, and any device.
        sequence: as `sequence.parse` or `draw` gives it.
        random: CPU source of the steps that draw noise; one seeded with 0 if none.
        generator, whole: as for `sequence.purify`.
        gradient: of the diffusion steps, see `diffusion.sdedit`.

    Returns:
        `[3, h, w]` float32 in 0..1, multiples of 1/255, on the device of `pixels`; steps that
        resize or crop change the size.

    Raises:
        SilencerError: a step that needs a generator where none is given.
    """
    check_generator(sequence, generator)
    random = random or torch.Generator().manual_seed(0)
    pixels = rounded(pixels.float())
    for step in sequence:
        if step.name in KINDS:
            pixels = _RealStep.apply(pixels, step, random)
        else:
            from .photo_purifiers import purifier

            denoise = purifier(step, generator, whole=whole, gradient=gradient)
            pixels = rounded(denoise(pixels, draw_seed(random)))
    return pixels


def draw(random: torch.Generator) -> tuple[Step, ...]:
    """A chain as platforms and attackers use it, to average a protection over.

    One, two or three steps, equally likely, all of different kinds and in any order. JPEG and
    resizing are three times as likely to be drawn next as any other kind:

    - `jpeg`, quality 50..95;
    - `resize` to 0.4...1 of the sides, kernel any of the four;
    - `blur`, sigma 0.4...1.5 pixels;
    - `crop` to 0.85...1 of the sides;
    - `noise`, standard deviation 0.005...0.03,

    each uniform in its range and rounded to two digits (noise: three).

    Args:
        random: CPU source; it alone decides.
    """
    order = torch.multinomial(torch.tensor(list(_SHARES.values())), 3, generator=random)
    names = [list(_SHARES)[i] for i in order.tolist()]
    return tuple(_drawn(name, random) for name in names[: 1 + _below(3, random)])


_SHARES = {"jpeg": 3.0, "resize": 3.0, "blur": 1.0, "crop": 1.0, "noise": 1.0}


def _drawn(name: str, random: torch.Generator) -> Step:
    share = float(torch.rand((), generator=random, dtype=torch.float64))
    if name == "jpeg":
        return Step(name, (50 + _below(46, random),))
    if name == "resize":
        kernels = tuple(filters.KERNELS)
        return Step(name, (round(0.4 + 0.6 * share, 2), kernels[_below(len(kernels), random)]))
    if name == "blur":
        return Step(name, (round(0.4 + 1.1 * share, 2),))
    if name == "crop":
        return Step(name, (round(0.85 + 0.15 * share, 2),))
    return Step(name, (round(0.005 + 0.025 * share, 3),))


def _below(limit: int, random: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=random))


class _RealStep(torch.autograd.Function):
    """Forward the real thing, backward the gradient of its stand-in."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, step: Step, random: torch.Generator) -> Tensor:
        ctx.save_for_backward(pixels)
        ctx.step = step
        picture = work_on(filters.to_picture(pixels), step, random)
        return filters.to_tensor(picture).to(pixels.device)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (pixels,) = ctx.saved_tensors
        with torch.enable_grad():
            pixels = pixels.detach().requires_grad_()
            result = stand_in(pixels, ctx.step)
        return torch.autograd.grad(result, pixels, gradient)[0], None, None


def stand_in(pixels: Tensor, step: Step) -> Tensor:
    """The smooth function whose gradient a step has; `[3, H, W]` float32 to the step's size."""
    return _STAND_INS[step.name](pixels, *step.values)


def _jpeg(pixels: Tensor, quality: int) -> Tensor:
    """Source: Shin & Song, NeurIPS 2017 workshop; Reich et al., WACV 2024; as kornia has it."""
    from kornia.enhance import jpeg_codec_differentiable

    return jpeg_codec_differentiable(pixels[None], torch.tensor([float(quality)]))[0]


def _webp(pixels: Tensor, quality: int) -> Tensor:
    return _jpeg(pixels, WEBP_AS_JPEG)


def _resize(pixels: Tensor, factor: float, kernel: str) -> Tensor:
    return resampling.resize(pixels, filters.resized(pixels.shape[1:], factor), kernel)


def _crop(pixels: Tensor, keep: float) -> Tensor:
    down, across = (filters.cropped(side, keep) for side in pixels.shape[1:])
    return pixels[:, down, across]


def _blur(pixels: Tensor, sigma: float) -> Tensor:
    from kornia.filters import gaussian_blur2d

    size = 2 * math.ceil(4 * sigma) + 1
    return gaussian_blur2d(pixels[None], (size, size), (sigma, sigma), "replicate")[0]


def _median(pixels: Tensor, size: int) -> Tensor:
    from kornia.filters import box_blur, median_blur

    if size > _LARGEST_MEDIAN:
        return box_blur(pixels[None], (size, size), "replicate")[0]
    return median_blur(pixels[None], (size, size))[0]


def _grey(pixels: Tensor) -> Tensor:
    from kornia.color import rgb_to_grayscale

    return rgb_to_grayscale(pixels).expand(3, -1, -1)


def _noise(pixels: Tensor, deviation: float) -> Tensor:
    return pixels


_STAND_INS = {
    "jpeg": _jpeg,
    "webp": _webp,
    "resize": _resize,
    "crop": _crop,
    "blur": _blur,
    "median": _median,
    "bilateral": filters.bilateral_blur,
    "guided": filters.guided_blur,
    "grey": _grey,
    "noise": _noise,
}
