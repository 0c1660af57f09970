"""Stage II: AdamW on the inverted latent, within the same budget as the pixels.

After Silencer-II (Gan et al., CVPR 2025), which optimises the inverted latent as DiffAttack does
(Chen et al. 2023, github.com/WindVChen/DiffAttack): a change that the generator's own autoencoder
and denoiser make lies where a clean-up by diffusion leaves it. Here it is bounded pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.objectives.objective import BoundObjective
from silencer_core.portrait import Portrait

from .canvas import Canvas
from .descent import Course, Descent, Search, Watch
from .inversion import InvertedLatent


def descend_latent(
    canvas: Canvas,
    portrait: Portrait,
    inverted: InvertedLatent,
    objective: BoundObjective,
    descent: Descent,
    *,
    learning_rate: float = 0.02,
    distance: float = 0.0,
    seed: int = 0,
    start: Tensor | None = None,
    watch: Watch | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Tensor, Course]:
    """Change the latent so that the objective falls on the photo it decodes to.

    The decoded portrait's change is brought to the canvas and into its bounds; where a bound cuts
    it off, the gradient passes as if it did not, so that the latent can come back.

    Args:
        distance: weight of the squared distance (0..1 scale) to where it starts.
        start: pixels of stage I, `[3, h, w]`; the latent's change is added to them.
        seed, watch, cancelled: see `Search`.

    Returns:
        pixels `[3, h, w]` of the canvas, multiples of 1/255 within the bounds, and the course.
    """
    if start is not None:
        canvas = canvas.starting_at(start)
    begin = canvas.pixels
    search = Search(objective, canvas, descent, seed, watch, cancelled)
    latent = inverted.latent.detach().clone().requires_grad_()
    optimiser = torch.optim.AdamW([latent], lr=learning_rate, weight_decay=0.0)

    def decoded() -> Tensor:
        change = (inverted.decode(latent).cpu() - portrait.image) / 2
        wide = F.interpolate(change[None], begin.shape[1:], mode="bilinear", align_corners=False)[0]
        free = begin + wide
        return free + (canvas.clamped(free) - free).detach()

    for step in search.steps():
        with torch.inference_mode(False), torch.enable_grad():
            pixels = decoded()
            found = objective.step(pixels, objective.draw(search.random))
            total = (pixels * found.gradient.to(pixels)).sum()
            total = total + distance * (pixels - begin).square().mean()
            optimiser.zero_grad()
            total.backward()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * descent.share_of_rate(step)
        optimiser.step()
        with torch.no_grad():
            search.saw(found.loss, decoded())
    return search.best, search.course
