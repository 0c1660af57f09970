"""The audio module: cross-attention to the audio tokens, split over background, face and lips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.attention import Attention, FeedForward
from torch import Tensor, nn

from .attention import Attend
from .config import HalloConfig

REGIONS = ("full", "face", "lip")  # the order of masks and motion scales


def zeroed(module: nn.Module) -> nn.Module:
    """A layer that starts silent, so that training begins from what is there already."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class AudioBlock(nn.Module):
    """Self-attention, three masked cross-attentions, feed-forward (Hallo, section 3.2)."""

    def __init__(self, width: int, heads: int, audio_dim: int):
        super().__init__()
        shape = {"query_dim": width, "heads": heads, "dim_head": width // heads}
        shape["processor"] = Attend()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(**shape)
        self.norm2 = nn.LayerNorm(width)
        for i, region in enumerate(REGIONS):
            setattr(self, f"attn2_{i}", Attention(**shape, cross_attention_dim=audio_dim))
            setattr(self, f"zero_conv_{region}", zeroed(nn.Conv2d(width, width, 1)))
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width, activation_fn="geglu")

    def forward(
        self, hidden: Tensor, audio: Tensor, masks: Tensor, scales: Sequence[float], deaf: int = 0
    ) -> Tensor:
        hidden = hidden + self.attn1(self.norm1(hidden))
        query = self.norm2(hidden)
        for i, region in enumerate(REGIONS):
            attn = getattr(self, f"attn2_{i}")
            heard = attn(query[deaf:], encoder_hidden_states=audio[deaf:])
            if deaf:  # the values of silent tokens are 0, whatever is asked: only the bias is left
                nothing = attn.to_out[0].bias.to(heard).expand(deaf, *heard.shape[1:])
                heard = torch.cat([nothing, heard])
            conv = getattr(self, f"zero_conv_{region}")
            heard = nn.functional.linear(
                heard * masks[:, i, :, None], conv.weight[:, :, 0, 0], conv.bias
            )
            hidden = hidden + scales[i] * heard
        return hidden + self.ff(self.norm3(hidden))


class AudioModule(nn.Module):
    """Audio into features, region by region, as a residual.

    Args:
        channels: of the features.
        width: inside; the published layout takes the channels that enter the layer.
    """

    def __init__(self, config: HalloConfig, channels: int, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, width, 1)
        self.transformer_blocks = nn.ModuleList([AudioBlock(width, config.heads, config.audio_dim)])
        self.proj_out = nn.Conv2d(width, channels, 1)

    def forward(
        self, hidden: Tensor, audio: Tensor, masks: Tensor, scales: Sequence[float], deaf: int = 0
    ) -> Tensor:
        """Add what is heard.

        Args:
            hidden: `[N, C, h, w]`, one row per frame.
            audio: `[N, T, audio_dim]`, the tokens of each frame.
            masks: `[N or 1, 3, h*w]` in 0..1: full (background), face, lip.
            scales: motion scale of the three regions; 1 is as trained.
            deaf: leading rows whose tokens are all zero; what they hear needs no attention.
        """
        size = hidden.shape[-2:]
        inner = self.proj_in(self.norm(hidden)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            inner = block(inner, audio, masks, scales, deaf)
        return hidden + self.proj_out(inner.transpose(1, 2).unflatten(2, size))
