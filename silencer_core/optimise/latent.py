"""Stage II: AdamW on the inverted latent, within the same budget as the pixels.

After Silencer-II (Gan et al., CVPR 2025), which optimises the inverted latent as DiffAttack does
(Chen et al. 2023, github.com/WindVChen/DiffAttack): a change that the generator's own autoencoder
and denoiser make lies where a clean-up by diffusion leaves it. Here it is bounded pixel by pixel.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.objectives.objective import BoundObjective
from silencer_core.portrait import Portrait

from .inversion import InvertedLatent
from .pgd import Course, Descent, Progress, rounded


def descend_latent(
    photo: Tensor,
    portrait: Portrait,
    inverted: InvertedLatent,
    objective: BoundObjective,
    bounds: tuple[Tensor, Tensor],
    descent: Descent,
    *,
    learning_rate: float = 0.02,
    distance: float = 0.0,
    seed: int = 0,
    start: Tensor | None = None,
    progress: Callable[[Progress, Tensor], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Tensor, Course]:
    """Change the latent so that the objective falls on the photo it decodes to.

    The decoded portrait's change is brought to the photo's size and into the bounds; where a
    bound cuts it off, the gradient passes as if it did not, so that the latent can come back.

    Args:
        distance: weight of the squared distance (0..1 scale) to `start`, or to the photo.
        start: the window's pixels of stage I, `[3, h, w]`; the latent's change is added to them.
        photo, portrait, objective, bounds, descent, seed, progress, cancelled: as for `pgd`.

    Returns:
        the window's pixels `[3, h, w]`, multiples of 1/255 within the bounds, and the course.
    """
    began = time.monotonic()
    rows, columns = portrait.window.slices
    low, high = bounds
    untouched = photo[:, rows, columns].detach().float().cpu()
    begin = untouched if start is None else start
    random = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(seed + 1_000_003)
    validation = [objective.draw(fixed) for _ in range(descent.validation)]
    latent = inverted.latent.detach().clone().requires_grad_()
    optimiser = torch.optim.AdamW([latent], lr=learning_rate, weight_decay=0.0)
    still = portrait.image

    def decoded() -> Tensor:
        change = (inverted.decode(latent).cpu() - still) / 2
        wide = F.interpolate(change[None], begin.shape[1:], mode="bilinear", align_corners=False)[0]
        free = begin + wide
        return free + (torch.maximum(torch.minimum(free, high), low) - free).detach()

    def judge(pixels: Tensor) -> float:
        shown = rounded(pixels, low, high)
        return sum(objective.value(shown, draws) for draws in validation) / len(validation)

    course = Course()
    best, best_value, idle = rounded(begin, low, high), judge(begin), 0
    course.validation.append((0, best_value))
    for step in range(descent.steps):
        if cancelled is not None and cancelled():
            course.cancelled = True
            break
        with torch.inference_mode(False), torch.enable_grad():
            pixels = decoded()
            found = objective.step(pixels, objective.draw(random))
            total = (pixels * found.gradient.to(pixels)).sum()
            total = total + distance * (pixels - begin).square().mean()
            optimiser.zero_grad()
            total.backward()
        for group in optimiser.param_groups:
            done = step / max(1, descent.steps - 1)
            group["lr"] = learning_rate * (1 - (1 - descent.last_rate) * done)
        optimiser.step()
        course.losses.append(found.loss)
        if (step + 1) % descent.validate_every == 0 or step + 1 == descent.steps:
            with torch.no_grad():
                now = decoded()
            value = judge(now)
            course.validation.append((step + 1, value))
            idle = 0 if value < 0.99 * best_value else idle + 1
            if value < best_value:
                best, best_value = rounded(now, low, high), value
            course.flat = bool(descent.patience) and idle >= descent.patience
        if progress is not None:
            spent = time.monotonic() - began
            shown = pixels.detach()
            progress(Progress(step + 1, descent.steps, found.loss, best_value, spent), shown)
        if course.flat:
            break
    course.seconds = time.monotonic() - began
    return best, course
