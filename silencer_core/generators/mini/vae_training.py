"""The small autoencoder: its encoder is computed, and trained on if wanted, its decoder trained."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.vae import build_vae

from .descent import Descent
from .linear_encoder import outlet, set_linear_encoder, start_decoder
from .mixture import Mixture
from .precision import mixed_precision
from .sheets import save_sheet

AVERAGE = 0.995
SEEDS = 100_000_000  # of pictures, between two trainings
NOISE = 0.08  # added to latents, so that the decoder forgives what a denoiser leaves


def begin_vae(config: HalloConfig, mixture: Mixture, seed: int = 0) -> AutoencoderKL:
    """An autoencoder with its final encoder and an untrained decoder."""
    torch.manual_seed(seed)
    vae = build_vae(config).eval()
    set_linear_encoder(vae, mixture.batch(5_000_000 + SEEDS * seed, 400) * 2 - 1)
    start_decoder(vae)
    return vae


def learn_encoder(
    vae: AutoencoderKL,
    mixture: Mixture,
    out: Path,
    steps: int,
    *,
    batch: int = 4,
    rate: float = 1e-3,
    save_every: int = 200,
    log: Callable[[str], None] = print,
    seed: int = 0,
) -> AutoencoderKL:
    """Train encoder and decoder together, or go on, and return their average.

    The computed encoder is where it begins; from there every level's resnets may bend it. What
    carries the latent through the last norm stays as it is: its constants are a thousand times
    larger than everything else. Latents keep their variance of 1, or they would grow away from the
    noise. Writes `encoder.pt` to `out`.

    Args:
        vae: what `begin_vae` returned.
    """
    torch.manual_seed(seed)
    mean = copy.deepcopy(vae).eval().requires_grad_(False)
    for fixed in (*outlet(vae), vae.quant_conv):
        fixed.requires_grad_(False)
    learnt = [p for p in vae.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.99), weight_decay=0)
    descent = Descent("encoder", vae, mean, optimiser, out, keep=AVERAGE, lead=20, log=log)
    test = mixture.held_out(24) * 2 - 1
    while descent.step < steps:
        x = mixture.batch(3_000_000 + SEEDS * seed + descent.step * batch, batch) * 2 - 1
        with mixed_precision():
            latents = vae.encode(x).latent_dist.mode()
            y = vae.decode(latents + NOISE * torch.randn_like(latents)).sample
        size = (latents.float().square().mean() - 1).square()
        descent.descend(reconstruction_loss(y.float(), x) + size, steps)
        if descent.step % save_every == 0 or descent.step == steps:
            psnr, ssim, _ = measure(mean, test)
            found = f"loss {descent.recent_loss(save_every):.4f}, {psnr:.2f} dB, SSIM {ssim:.4f}"
            log(f"encoder: step {descent.step}, {found}")
            descent.save()
    return mean


def train_decoder(
    vae: AutoencoderKL,
    mixture: Mixture,
    out: Path,
    steps: int,
    batch: int = 4,
    rate: float = 1e-3,
    save_every: int = 200,
    log: Callable[[str], None] = print,
    seed: int = 0,
) -> AutoencoderKL:
    """Train the decoder, or go on, and return the averaged autoencoder in evaluation mode.

    Writes `decoder.pt` (everything needed to go on) and `vae_<step>.jpg` (held-out pictures above
    their reconstructions) to `out`. The learning rate falls along a cosine to zero at `steps`;
    going on with more steps raises it again.

    Args:
        vae: what `begin_vae` or `learn_encoder` returned; its encoder stays as it is.
        seed: of what is drawn.
    """
    torch.manual_seed(seed)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    net = nn.ModuleDict({"decoder": vae.decoder, "post": vae.post_quant_conv}).train()
    mean = copy.deepcopy(vae).eval().requires_grad_(False)
    average_net = nn.ModuleDict({"decoder": mean.decoder, "post": mean.post_quant_conv})
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-3)
    descent = Descent("decoder", net, average_net, optimiser, out, keep=AVERAGE, lead=20, log=log)
    test = mixture.held_out(24) * 2 - 1
    began = time.monotonic()
    while descent.step < steps:
        x = mixture.batch(1_000_000 + SEEDS * seed + descent.step * batch, batch) * 2 - 1
        with torch.no_grad():
            latents = vae.encode(x).latent_dist.mode()
            latents = latents + NOISE * torch.randn_like(latents)
        with mixed_precision():
            y = net["decoder"](net["post"](latents))
        descent.descend(reconstruction_loss(y.float(), x), steps)
        step = descent.step
        if step % save_every == 0 or step == steps:
            psnr, ssim, shown = measure(mean, test)
            minutes = (time.monotonic() - began) / 60
            found = f"loss {descent.recent_loss(save_every):.4f}, {psnr:.2f} dB, SSIM {ssim:.4f}"
            log(f"decoder: step {step}, {minutes:.1f} min, {found}")
            pairs = [torch.cat([a, b], 1) for a, b in zip(test[6:22], shown[6:22], strict=True)]
            save_sheet(torch.stack(pairs) / 2 + 0.5, out / f"vae_{step:06d}.jpg", columns=8)
            descent.save()
    return mean


def reconstruction_loss(y: Tensor, x: Tensor) -> Tensor:
    """Errors of values, of gradients at three scales, and of local structure."""
    error = y - x
    loss = (
        error.abs().mean()
        + 2 * error.square().mean()
        + 0.25 * (1 - local_similarity(y, x, stride=3))
    )
    for _ in range(3):
        for axis in (-1, -2):
            loss = loss + 0.25 * (y.diff(dim=axis) - x.diff(dim=axis)).abs().mean()
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
