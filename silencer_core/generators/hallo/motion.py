"""The motion module: attention over time at every pixel, AnimateDiff's layout."""

from __future__ import annotations

import math

import torch
from diffusers.models.attention import Attention, FeedForward
from torch import Tensor, nn

from .attention import Attend
from .audio_attention import zeroed
from .config import HalloConfig


class PositionTable(nn.Module):
    """Sinusoids, one row per frame, kept in the checkpoint."""

    def __init__(self, width: int, rows: int):
        super().__init__()
        position = torch.arange(rows)[:, None]
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angles = position * rate
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
        self.register_buffer("pe", table[None])

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.pe[:, : hidden.shape[1]]


class TemporalAttention(Attention):
    """Self-attention over frames `[N, frames, C]` with positions added before the projections."""

    def __init__(self, width: int, heads: int, rows: int):
        super().__init__(query_dim=width, heads=heads, dim_head=width // heads, processor=Attend())
        self.pos_encoder = PositionTable(width, rows)

    def forward(self, hidden: Tensor) -> Tensor:
        return super().forward(self.pos_encoder(hidden))


class MotionBlock(nn.Module):
    """Two temporal self-attentions and a feed-forward; context frames leave before the latter."""

    def __init__(self, width: int, heads: int, rows: int):
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            TemporalAttention(width, heads, rows) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.ff = FeedForward(width, activation_fn="geglu")
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, context: int) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            hidden = hidden + attention(norm(hidden))
        hidden = hidden[:, context:]
        return hidden + self.ff(self.ff_norm(hidden))


class TemporalTransformer(nn.Module):
    """Norm, projection, one motion block, projection, residual."""

    def __init__(self, config: HalloConfig, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(config.motion_groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            [MotionBlock(channels, config.motion_heads, config.motion_positions)]
        )
        self.proj_out = zeroed(nn.Linear(channels, channels))

    def _project(self, hidden: Tensor, batch: int) -> Tensor:
        """`[B*f, C, h, w]` to `[B, f, h*w, C]`."""
        tokens = self.norm(hidden).flatten(2).transpose(1, 2)
        return self.proj_in(tokens).unflatten(0, (batch, -1))

    def forward(self, hidden: Tensor, frames: int, motion: Tensor | None) -> Tensor:
        batch, size = len(hidden) // frames, hidden.shape[-2:]
        tokens = self._project(hidden, batch)
        context = 0
        if motion is not None:
            context = motion.shape[1]
            before = self._project(motion.flatten(0, 1), len(motion))
            tokens = torch.cat([before.expand(batch, -1, -1, -1), tokens], dim=1)
        tokens = tokens.transpose(1, 2).flatten(0, 1)  # every pixel a sequence over time
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        tokens = self.proj_out(tokens).unflatten(0, (batch, -1))
        return hidden + tokens.permute(0, 2, 3, 1).reshape(len(hidden), -1, *size)


class MotionModule(nn.Module):
    """Frames talk to each other, and to the motion frames before them."""

    def __init__(self, config: HalloConfig, channels: int):
        super().__init__()
        self.temporal_transformer = TemporalTransformer(config, channels)

    def forward(self, hidden: Tensor, frames: int, motion: Tensor | None = None) -> Tensor:
        """Attend over time.

        Args:
            hidden: `[B*frames, C, h, w]`.
            frames: of each sample.
            motion: `[B or 1, n, C, h, w]`, features of earlier frames put before these, or none;
                n + frames must not exceed the position table.
        """
        return self.temporal_transformer(hidden, frames, motion)
