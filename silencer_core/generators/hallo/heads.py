"""The small networks at the entrance: face locator, image projection, audio projection."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .config import HalloConfig


class FaceLocator(nn.Module):
    """Where the face is: a region mask to a feature of latent size."""

    def __init__(self, config: HalloConfig):
        super().__init__()
        widths = config.face_locator_channels
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for inside, outside in pairwise(widths):
            self.blocks.append(nn.Conv2d(inside, inside, 3, padding=1))
            self.blocks.append(nn.Conv2d(inside, outside, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(widths[-1], config.channels[0], 3, padding=1)

    def forward(self, region: Tensor) -> Tensor:
        """`[B, 3, S, S]` in 0..1 to `[B, channels[0], S/factor, S/factor]`."""
        hidden = F.silu(self.conv_in(region))
        for block in self.blocks:
            hidden = F.silu(block(hidden))
        return self.conv_out(hidden)


class ImageProjection(nn.Module):
    """Who the face is: an identity embedding to a few tokens."""

    def __init__(self, config: HalloConfig):
        super().__init__()
        self.proj = nn.Linear(config.face_dim, config.face_tokens * config.cross_dim)
        self.norm = nn.LayerNorm(config.cross_dim)

    def forward(self, embedding: Tensor) -> Tensor:
        """`[B, face_dim]` to `[B, face_tokens, cross_dim]`; a zero row is the unconditional one."""
        width = self.norm.normalized_shape[0]
        return self.norm(self.proj(embedding).unflatten(-1, (-1, width)))


class AudioProjection(nn.Module):
    """What is heard: windows of audio features to tokens, frame by frame."""

    def __init__(self, config: HalloConfig):
        super().__init__()
        inside = config.window * config.audio_blocks * config.audio_channels
        self.proj1 = nn.Linear(inside, config.audio_hidden)
        self.proj2 = nn.Linear(config.audio_hidden, config.audio_hidden)
        self.proj3 = nn.Linear(config.audio_hidden, config.audio_tokens * config.audio_dim)
        self.norm = nn.LayerNorm(config.audio_dim)

    def forward(self, windows: Tensor) -> Tensor:
        """`[..., window, blocks, channels]` to `[..., audio_tokens, audio_dim]`.

        "No audio" is zero tokens, not the projection of anything.
        """
        hidden = F.relu(self.proj1(windows.flatten(-3)))
        hidden = self.proj3(F.relu(self.proj2(hidden)))
        width = self.norm.normalized_shape[0]
        return self.norm(hidden.unflatten(-1, (-1, width)))
