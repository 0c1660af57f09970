"""The skeleton that reference and denoising network share: Stable Diffusion 1.5's UNet."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from .config import HalloConfig


class Place(NamedTuple):
    """A spot just behind a resnet, where attention and its companions stand."""

    name: str  # of the spatial transformer in the checkpoint, e.g. "down_blocks.0.attentions.1"
    block: nn.Module
    index: int  # layer inside the block
    level: int  # resolution: latent side / 2^level
    attends: bool  # plain blocks have no transformer


class Block(nn.Module):
    """The layers of one resolution. Parallel lists, as the checkpoint names them.

    Args:
        widths: channels into and out of each resnet.
        attends: whether a spatial transformer follows each resnet.
    """

    def __init__(self, config: HalloConfig, widths: list[tuple[int, int]], attends: bool):
        super().__init__()
        self.resnets = nn.ModuleList(resnet(config, *width) for width in widths)
        if attends:
            self.attentions = nn.ModuleList(transformer(config, out) for _, out in widths)


def resnet(config: HalloConfig, inside: int, outside: int) -> ResnetBlock2D:
    return ResnetBlock2D(
        in_channels=inside,
        out_channels=outside,
        temb_channels=4 * config.channels[0],
        groups=config.groups,
        eps=1e-5,
    )


def transformer(config: HalloConfig, channels: int) -> Transformer2DModel:
    return Transformer2DModel(
        num_attention_heads=config.heads,
        attention_head_dim=channels // config.heads,
        in_channels=channels,
        norm_num_groups=config.groups,
        cross_attention_dim=config.cross_dim,
    )


class UNet(nn.Module):
    """Resnets, spatial transformers and resampling, with a free hand behind every resnet.

    The lowest resolution and its way up have no transformer. Skip connections are those of
    Stable Diffusion 1.5.
    """

    def __init__(self, config: HalloConfig):
        super().__init__()
        channels, layers = config.channels, config.layers
        time = 4 * channels[0]
        last = config.levels - 1

        self.conv_in = nn.Conv2d(config.latent_channels, channels[0], 3, padding=1)
        self.time_proj = Timesteps(channels[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(channels[0], time)

        self.down_blocks = nn.ModuleList()
        skips = [channels[0]]
        for level, width in enumerate(channels):
            inside = channels[max(level - 1, 0)]
            widths = [(inside if i == 0 else width, width) for i in range(layers)]
            block = Block(config, widths, attends=level < last)
            skips += [width] * layers
            if level < last:
                block.downsamplers = nn.ModuleList([Downsample2D(width, use_conv=True, name="op")])
                skips.append(width)
            self.down_blocks.append(block)

        self.mid_block = Block(config, [(channels[-1], channels[-1])], attends=True)
        self.mid_block.resnets.append(resnet(config, channels[-1], channels[-1]))

        self.up_blocks = nn.ModuleList()
        inside = channels[-1]
        for level in reversed(range(config.levels)):
            width = channels[level]
            widths = []
            for _ in range(layers + 1):
                widths.append((inside + skips.pop(), width))
                inside = width
            block = Block(config, widths, attends=level < last)
            if level > 0:
                block.upsamplers = nn.ModuleList([Upsample2D(width, use_conv=True)])
            self.up_blocks.append(block)

    @property
    def last_place(self) -> str:
        """Name of the last spatial transformer."""
        return (
            f"up_blocks.{len(self.up_blocks) - 1}.attentions.{len(self.up_blocks[-1].resnets) - 1}"
        )

    def embed_time(self, timesteps: Tensor) -> Tensor:
        """Timesteps `[N]` to their embedding `[N, 4 * channels[0]]` in the network's dtype."""
        embedding = self.time_proj(timesteps).to(self.conv_in.weight.dtype)
        return self.time_embedding(embedding)

    def walk(
        self,
        hidden: Tensor,
        time: Tensor,
        visit: Callable[[Place, Tensor], Tensor],
        stop_at: str | None = None,
    ) -> Tensor:
        """Take features through the skeleton and let `visit` act behind every resnet.

        Args:
            hidden: `[N, channels[0], h, w]`, what `conv_in` gave.
            time: `[N, 4 * channels[0]]` or `[1, ...]`.
            visit: gets each place and its features, returns the features to go on with.
            stop_at: name of the place after whose visit the walk ends.

        Returns:
            `[N, channels[0], h, w]`, or the features at `stop_at`.
        """
        last = len(self.down_blocks) - 1
        skips = [hidden]
        for level, block in enumerate(self.down_blocks):
            for i, layer in enumerate(block.resnets):
                place = Place(f"down_blocks.{level}.attentions.{i}", block, i, level, level < last)
                hidden = visit(place, layer(hidden, time))
                if place.name == stop_at:
                    return hidden
                skips.append(hidden)
            if level < last:
                hidden = block.downsamplers[0](hidden)
                skips.append(hidden)

        block = self.mid_block
        place = Place("mid_block.attentions.0", block, 0, last, True)
        hidden = visit(place, block.resnets[0](hidden, time))
        if place.name == stop_at:
            return hidden
        hidden = block.resnets[1](hidden, time)

        for step, block in enumerate(self.up_blocks):
            level = last - step
            for i, layer in enumerate(block.resnets):
                place = Place(f"up_blocks.{step}.attentions.{i}", block, i, level, level < last)
                hidden = layer(torch.cat([hidden, skips.pop()], dim=1), time)
                hidden = visit(place, hidden)
                if place.name == stop_at:
                    return hidden
            if level > 0:
                hidden = block.upsamplers[0](hidden)
        return hidden
