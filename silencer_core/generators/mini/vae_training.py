"""Training of the small autoencoder."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.vae import build_vae

from .mixture import Mixture
from .sheets import save_sheet

KL_WEIGHT = 0.003
AVERAGE = 0.995


def train_vae(
    config: HalloConfig,
    mixture: Mixture,
    out: Path,
    steps: int,
    batch: int = 12,
    rate: float = 1e-3,
    save_every: int = 200,
    log: Callable[[str], None] = print,
) -> AutoencoderKL:
    """Train, or go on training, and return the averaged network in evaluation mode.

    Writes `vae.pt` (everything needed to go on) and `vae_<step>.jpg` (held-out pictures above
    their reconstructions) to `out`. The learning rate falls along a cosine to zero at `steps`;
    going on with more steps raises it again.
    """
    torch.manual_seed(0)
    net = build_vae(config)
    mean = copy.deepcopy(net).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-3)
    state_file, step, losses = out / "vae.pt", 0, []
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
        log(f"vae: goes on from step {step}")
    test = mixture.held_out(24) * 2 - 1
    began = time.monotonic()
    while step < steps:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * _cosine(step / steps)
        x = mixture.batch(1_000_000 + step * batch, batch) * 2 - 1
        with torch.autocast("cpu", torch.bfloat16):
            posterior = net.encode(x).latent_dist
            y = net.decode(posterior.sample()).sample
        loss = reconstruction_loss(y.float(), x) + KL_WEIGHT * posterior.kl().sum() / x.numel()
        if not loss.isfinite():
            raise FloatingPointError(f"vae: loss {loss.item()} at step {step}")
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        average(mean, net, min(AVERAGE, step / (step + 20)))
        losses.append(loss.item())
        if step % save_every == 0 or step == steps:
            psnr, ssim, shown = measure(mean, test)
            minutes = (time.monotonic() - began) / 60
            recent = sum(losses[-save_every:]) / len(losses[-save_every:])
            log(
                f"vae: step {step}, {minutes:.1f} min, loss {recent:.4f}, {psnr:.2f} dB, {ssim:.4f}"
            )
            pairs = [torch.cat([a, b], 1) for a, b in zip(test[6:22], shown[6:22], strict=True)]
            save_sheet(torch.stack(pairs) / 2 + 0.5, out / f"vae_{step:06d}.jpg", columns=8)
            state = {
                "net": net.state_dict(),
                "mean": mean.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
            }
            torch.save(state, out / "vae.tmp")
            (out / "vae.tmp").replace(state_file)
    return mean


def reconstruction_loss(y: Tensor, x: Tensor) -> Tensor:
    """Absolute error of values and of gradients at three scales, and structural dissimilarity."""
    loss = (y - x).abs().mean() + 0.25 * (1 - local_similarity(y, x, stride=3))
    for _ in range(3):
        for axis in (-1, -2):
            loss = loss + 0.5 * (y.diff(dim=axis) - x.diff(dim=axis)).abs().mean()
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return loss


def local_similarity(a: Tensor, b: Tensor, window: int = 7, stride: int = 1) -> Tensor:
    """Mean SSIM with a flat window of pictures `[N, 3, S, S]` in -1..1 (Wang et al. 2004)."""

    def local(z: Tensor) -> Tensor:
        return F.avg_pool2d(z, window, stride)

    mean_a, mean_b = local(a), local(b)
    var_a, var_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    c1, c2 = 0.02**2, 0.06**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()


@torch.no_grad()
def measure(vae: AutoencoderKL, pictures: Tensor) -> tuple[float, float, Tensor]:
    """Mean PSNR (dB) and SSIM of reconstructions from the posterior's mean, and these."""
    shown = [vae.decode(vae.encode(x).latent_dist.mode()).sample for x in pictures.split(8)]
    shown = torch.cat(shown).clamp(-1, 1)
    error = (shown - pictures).square().flatten(1).mean(1) / 4
    ssim = local_similarity(shown, pictures).item()
    return (-10 * error.log10()).mean().item(), ssim, shown


@torch.no_grad()
def average(mean: nn.Module, net: nn.Module, keep: float) -> None:
    """Exponential average of weights, in place."""
    for a, b in zip(mean.parameters(), net.parameters(), strict=True):
        a.lerp_(b, 1 - keep)


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Give every latent channel zero mean and unit variance over `pictures` (-1..1), in place.

    The change goes into the 1x1 convolutions on either side of the latent, so that pictures come
    out as before and a latent scale of 1 fits.
    """
    latents = torch.cat([vae.encode(x).latent_dist.mode() for x in pictures.split(8)])
    shift, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    count = len(shift)
    post, before = vae.post_quant_conv, vae.quant_conv
    post.bias += post.weight[:, :, 0, 0] @ shift
    post.weight *= spread[None, :, None, None]
    before.weight[:count] /= spread[:, None, None, None]
    before.bias[:count] = (before.bias[:count] - shift) / spread
    before.bias[count:] -= 2 * spread.log()


def _cosine(part: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * min(part, 1.0))
