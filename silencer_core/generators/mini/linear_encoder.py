"""An encoder that needs no training: principal components of patches, written into AutoencoderKL.

A small autoencoder trained from scratch on two CPU cores stays blurry for hours, while the first
48 principal components of 16 x 16 patches keep photographs at 31 dB. So the encoder's
convolutions are set to compute these, level by level (2 x 2 blocks, rotated and cut to the width
of the level), and training is left to the decoder and, if wanted, to fine-tuning.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

STEADY = 1000.0  # constant channels that keep the last GroupNorm from scaling pictures apart
LOG_VARIANCE = -6.0  # of the posterior: standard deviation 0.05


@torch.no_grad()
def set_linear_encoder(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Set the encoder of an untrained autoencoder in place.

    Latents have mean 0 and, over all channels, mean variance 1; a channel's standard deviation is
    the square root of its component's, so that coarse things count more but fine ones are not
    lost in noise.

    Args:
        pictures: `[N, 3, S, S]` in -1..1, from which the components are taken.
    """
    encoder = vae.encoder
    for module in encoder.modules():
        if hasattr(module, "conv1") and hasattr(module, "conv2"):  # a resnet: start as identity
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
    _pass_on(encoder.conv_in, 3)
    x, used = encoder.conv_in(pictures), 3
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                _pass_on(resnet.conv_shortcut, used)
            x = resnet(x, None)
        if block.downsamplers:
            used = _reduce(block.downsamplers[0].conv, x, used)
            x = torch.cat([block.downsamplers[0](part) for part in x.split(16)])
    spread = _mirror(vae, x, used)
    scale = spread.sqrt()
    scale = scale / scale.square().mean().sqrt()
    count = len(scale)
    nn.init.zeros_(vae.quant_conv.weight)
    nn.init.zeros_(vae.quant_conv.bias)
    vae.quant_conv.weight[range(count), range(count), 0, 0] = scale / spread
    vae.quant_conv.bias[count:] = LOG_VARIANCE
    for resnet in encoder.mid_block.resnets:
        assert resnet.conv_shortcut is None


def start_decoder(vae: AutoencoderKL) -> None:
    """Let every resnet of the decoder begin as a pass, and every convolution keep variance."""
    for module in vae.decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)
    for module in vae.decoder.modules():
        if hasattr(module, "conv1") and hasattr(module, "conv2"):
            nn.init.zeros_(module.conv2.weight)
    nn.init.dirac_(vae.post_quant_conv.weight)
    nn.init.zeros_(vae.post_quant_conv.bias)


def outlet(vae: AutoencoderKL) -> tuple[nn.Module, ...]:
    """The encoder's modules from the last level's components to the latent."""
    encoder = vae.encoder
    last = encoder.down_blocks[-1].resnets[0].conv_shortcut
    return last, encoder.mid_block, encoder.conv_norm_out, encoder.conv_out


def _pass_on(conv: nn.Conv2d, used: int) -> None:
    """The first `used` channels go through, all others are zero."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    middle = conv.kernel_size[0] // 2
    conv.weight[range(used), range(used), middle, middle] = 1


def _reduce(conv: nn.Conv2d, x: Tensor, used: int) -> int:
    """Set a stride-2 convolution to the principal components of 2 x 2 blocks; returns how many."""
    blocks = nn.functional.pixel_unshuffle(x[:, :used], 2)  # channel-major: [c, row, column]
    rows = blocks.permute(0, 2, 3, 1).flatten(0, 2)
    mean, axes, _ = _components(rows)
    kept = min(conv.out_channels, rows.shape[1])
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    conv.weight[:kept, :used, :2, :2] = axes[:, :kept].T.reshape(kept, used, 2, 2)
    conv.bias[:kept] = -(mean @ axes[:, :kept])
    return kept


def _mirror(vae: AutoencoderKL, x: Tensor, used: int) -> Tensor:
    """Carry the latent's components through norm and SiLU: silu(a) - silu(-a) = a.

    Each group of the last norm holds some components, their negatives, and constants that fix
    the norm's scale. Returns the standard deviation of each component.
    """
    encoder, count = vae.encoder, vae.config.latent_channels
    last = encoder.down_blocks[-1].resnets[0].conv_shortcut
    norm, out = encoder.conv_norm_out, encoder.conv_out
    groups = norm.num_groups
    width, each = norm.num_channels // groups, -(-count // groups)
    if width < 2 * each + 2:
        raise ValueError(f"{width} channels a group cannot hold {each} mirrored components")
    rows = x[:, :used].permute(0, 2, 3, 1).flatten(0, 2)
    mean, axes, spread = _components(rows)
    for conv in (last, out):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    for k in range(count):
        group, place = divmod(k, each)
        for sign, channel in ((1, group * width + 2 * place), (-1, group * width + 2 * place + 1)):
            last.weight[channel, :used, 0, 0] = sign * axes[:, k]
            last.bias[channel] = -sign * (mean @ axes[:, k])
            out.weight[k, channel, 1, 1] = sign
    for group in range(groups):
        last.bias[(group + 1) * width - 2] = STEADY
        last.bias[(group + 1) * width - 1] = -STEADY
    nn.init.constant_(norm.weight, STEADY * (2 / width) ** 0.5)
    nn.init.zeros_(norm.bias)
    return spread[:count]


def _components(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, principal axes as columns (largest first), standard deviations along them."""
    mean = rows.mean(0)
    centred = (rows - mean).double()
    values, axes = torch.linalg.eigh(centred.T @ centred / len(rows))
    return mean, axes.flip(1).float(), values.flip(0).clamp(min=0).sqrt().float()
