"""A tiny untrained generator with log-mel audio, and a photo with a face, for tests."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.mini.looks import random_look
from silencer_core.generators.mini.mel import MelFeatures
from silencer_core.generators.mini.portraits import draw
from silencer_core.generators.mini.sizes import MINI

TINY = replace(
    MINI,
    channels=(16, 16),
    groups=4,
    motion_groups=4,
    motion_heads=2,
    heads=2,
    vae_channels=(8, 8, 16, 16),
    face_locator_channels=(4, 4, 8, 8),
    vae_groups=4,
    latent_channels=4,
    size=32,
    clip_frames=4,
    steps=2,
)


def tiny_generator(seed: int = 0) -> Hallo:
    """Random weights; layers that training starts at zero are woken, so that audio counts."""
    torch.manual_seed(seed)
    generator = Hallo.untrained(TINY)
    wake(generator.net.denoising_unet, std=0.2)
    generator.audio_encoder = MelFeatures(TINY.clip_frames)
    return generator


def wake(network: torch.nn.Module, std: float = 0.1) -> None:
    """Random numbers for the layers that training starts at zero."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=std)


def drawn_photo(side: int = 160, seed: int = 8) -> Tensor:
    """`[3, side, side]` in 0..1 on the 8-bit grid."""
    return (draw(random_look(seed), side).picture * 255).round() / 255


def mask_of_face(side: int = 160) -> Tensor:
    """`[side, side]`, a box in the middle."""
    mask = torch.zeros(side, side)
    mask[side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = 1
    return mask


def babble(seed: int = 0, seconds: float = 1.0) -> Speech:
    """Noise in syllables."""
    random = torch.Generator().manual_seed(seed)
    time = torch.arange(int(16_000 * seconds)) / 16_000
    loud = (torch.sin(2 * torch.pi * (3 + seed) * time) > 0).float()
    return Speech(0.3 * torch.randn(len(time), generator=random) * loud, 16_000)
