"""The small configuration of the Hallo classes.

The autoencoder shrinks 16 times to 32 channels: as many numbers as 8 channels at 8 times, but a
quarter of the tokens, which is what the networks' time goes to. The networks are three times as
wide as a latent, since they have to carry the noisy one and the portrait's side by side. Four
denoising steps follow the audio as well as eight and keep the person better.
"""

from __future__ import annotations

from dataclasses import replace

from silencer_core.generators.hallo.config import HalloConfig

MINI = HalloConfig(
    channels=(96, 96, 96),
    layers=1,
    heads=4,
    groups=16,
    cross_dim=64,
    motion_heads=4,
    motion_groups=16,
    face_dim=512,
    face_tokens=4,
    face_locator_channels=(8, 16, 16, 32, 32),
    audio_blocks=2,
    audio_channels=40,
    audio_hidden=128,
    audio_tokens=6,
    audio_dim=64,
    vae_channels=(16, 32, 64, 96, 160),
    vae_layers=1,
    vae_groups=8,
    latent_channels=32,
    latent_scale=1.0,
    vae_mid_attention=False,
    size=128,
    steps=4,
    guidance=2.0,
)

#: Another width, latent and autoencoder, for the generator that attacks what was made on the first.
SECOND = replace(
    MINI,
    channels=(64, 64, 64),
    face_locator_channels=(8, 16, 16, 24, 32),
    cross_dim=48,
    audio_hidden=96,
    audio_tokens=4,
    audio_dim=48,
    vae_channels=(16, 32, 48, 80, 128),
    latent_channels=24,
)
