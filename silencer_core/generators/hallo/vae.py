"""The image autoencoder: diffusers' AutoencoderKL in Hallo's configuration."""

from __future__ import annotations

from diffusers import AutoencoderKL

from .config import HalloConfig


def build_vae(config: HalloConfig) -> AutoencoderKL:
    """An untrained autoencoder of the configured sizes; pictures are -1..1.

    Latents are `[N, latent_channels, S/factor, S/factor]`; what the UNets see is the posterior's
    mean (generation) or a sample of it (training) times `latent_scale`.
    """
    depth = len(config.vae_channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        block_out_channels=config.vae_channels,
        layers_per_block=config.vae_layers,
        latent_channels=config.latent_channels,
        norm_num_groups=config.vae_groups,
        sample_size=config.size,
        scaling_factor=config.latent_scale,
        mid_block_add_attention=config.vae_mid_attention,
    )
