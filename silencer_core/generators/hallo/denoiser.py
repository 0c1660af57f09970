"""The denoising network: noisy latents, the portrait's features and the audio to a v-prediction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .attention import ReadFace, ReadReference
from .audio_attention import AudioModule
from .config import HalloConfig
from .motion import MotionModule
from .reference import MID
from .unet import Place, UNet

#: "animate" is the model: what training and inference run. "silencer" is what the reference
#: protection differentiates by accident (its network in eval mode); for comparison only.
Forward = Literal["animate", "silencer"]

ZERO_MOTION_FRAMES = 4  # stand in for the motion frames where there is no reference at all


@dataclasses.dataclass
class ReferenceFeatures:
    """What the reference network says of a portrait and of the frames before the clip.

    `portrait`: place -> `[P, h*w, C]`. `motion`: place -> `[B or 1, n, h*w, C]`; empty or with
    places left out where no motion frames are wanted. `reader`: which portrait each frame of the
    samples that look at one looks at, `[B' * f]`; by default every sample has its own, or all
    have the only one.
    """

    portrait: Mapping[str, Tensor]
    motion: Mapping[str, Tensor]
    reader: Tensor | None = None

    @classmethod
    def split(cls, features: Mapping[str, Tensor], samples: int = 1) -> ReferenceFeatures:
        """Take apart a batch ordered `[portrait, motion frames...]` per sample."""
        rows = {name: x.unflatten(0, (samples, -1)) for name, x in features.items()}
        return cls(
            {name: x[:, 0] for name, x in rows.items()},
            {name: x[:, 1:] for name, x in rows.items()},
        )

    def rounded_to(self, dtype: torch.dtype) -> ReferenceFeatures:
        """The same values after a trip through `dtype` (the reference keeps them in float16)."""
        return dataclasses.replace(
            self,
            portrait={name: x.to(dtype).to(x.dtype) for name, x in self.portrait.items()},
            motion={name: x.to(dtype).to(x.dtype) for name, x in self.motion.items()},
        )


class DenoisingNetwork(UNet):
    """Stable Diffusion's UNet over frames, with an audio and a motion module at each attention."""

    def __init__(self, config: HalloConfig):
        super().__init__(config)
        blocks = (*self.down_blocks, self.mid_block, *self.up_blocks)
        entering = self._entering_channels(config)
        for block, widths in zip(blocks, entering, strict=True):
            layers = list(block.resnets)[: len(widths)]
            outs = [layer.out_channels for layer in layers]
            block.motion_modules = nn.ModuleList(MotionModule(config, out) for out in outs)
            if not hasattr(block, "attentions"):
                continue
            block.audio_modules = nn.ModuleList(
                AudioModule(config, out, config.heads * (width // config.heads))
                for out, width in zip(outs, widths, strict=True)
            )
            for transformer in block.attentions:
                transformer.transformer_blocks[0].attn1.set_processor(ReadReference())
                transformer.transformer_blocks[0].attn2.set_processor(ReadFace())
        self.conv_norm_out = nn.GroupNorm(config.groups, config.channels[0], eps=1e-5)
        self.conv_out = nn.Conv2d(config.channels[0], config.latent_channels, 3, padding=1)

    @staticmethod
    def _entering_channels(config: HalloConfig) -> list[list[int]]:
        """Inner width of each audio module: in down blocks the channels that enter its layer, in
        up blocks those of the next level's skip, as the published checkpoint has them."""
        channels = config.channels
        entering = []
        for level, width in enumerate(channels):
            entering.append([channels[max(level - 1, 0)]] + [width] * (config.layers - 1))
        entering.append([channels[-1]])
        for level in reversed(range(config.levels)):
            entering.append([channels[max(level - 1, 0)]] * (config.layers + 1))
        return entering

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        *,
        face_tokens: Tensor,
        audio_tokens: Tensor,
        masks: Sequence[Tensor],
        face_feature: Tensor,
        reference: ReferenceFeatures | None,
        motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
        blind: int = 0,
        forward: Forward = "animate",
    ) -> Tensor:
        """Predict v.

        Args:
            latents: `[B, c, f, h, w]`, noisy.
            timesteps: `[B]` or `[1]`, 0..999.
            face_tokens: `[B or 1, T, cross_dim]`.
            audio_tokens: `[B or 1, f, T, audio_dim]`; zeros for "no audio".
            masks: per level `[B or 1, 3, h_i*w_i]` in 0..1: full (background), face, lip.
            face_feature: `[B or 1, channels[0], h, w]`, the face locator's.
            reference: portrait and motion features, or none for "no image".
            motion_scale: strength of the audio on background, face and lips.
            blind: leading samples that do not look at a portrait and hear nothing (unconditional
                half): their audio tokens are zeros.
            forward: see `Forward`.

        Returns:
            `[B, c, f, h, w]`, the v-prediction.
        """
        batch, _, frames = latents.shape[:3]

        def per_frame(x: Tensor) -> Tensor:
            """Rows per sample to rows per frame; one row serves all."""
            return x if len(x) == 1 else x.repeat_interleave(frames, dim=0)

        tokens = per_frame(face_tokens).expand(batch * frames, -1, -1)
        audio = audio_tokens.expand(batch, -1, -1, -1).flatten(0, 1)
        masks = [per_frame(mask) for mask in masks]
        deaf = blind * frames
        animate = forward == "animate"
        looking = torch.arange(batch - blind, device=latents.device)
        reader = looking.repeat_interleave(frames)
        if reference is not None and reference.reader is not None:
            reader = reference.reader

        def motion_frames(place: Place, like: Tensor) -> Tensor | None:
            if not (animate or place.name == MID):
                return None
            if reference is None:
                return like.new_zeros(1, ZERO_MOTION_FRAMES, *like.shape[1:])
            motion = reference.motion.get(place.name)
            if motion is None or motion.shape[1] == 0:
                return None
            return motion.transpose(2, 3).unflatten(3, like.shape[-2:])

        def visit(place: Place, hidden: Tensor) -> Tensor:
            block, i = place.block, place.index
            if not place.attends:
                return hidden if animate else block.motion_modules[i](hidden, frames)
            looked_at = {}
            if reference is not None:
                looked_at["portrait"] = reference.portrait[place.name]
            hidden = block.attentions[i](
                hidden,
                encoder_hidden_states=tokens,
                cross_attention_kwargs={**looked_at, "reader": reader, "blind": deaf},
                return_dict=False,
            )[0]
            scale = motion_scale if animate or place.name == MID else (1.0, 1.0, 1.0)
            hidden = block.audio_modules[i](hidden, audio, masks[place.level], scale, deaf)
            return block.motion_modules[i](hidden, frames, motion_frames(place, hidden))

        hidden = self.conv_in(latents.transpose(1, 2).flatten(0, 1))
        hidden = hidden + per_frame(face_feature)
        time = per_frame(self.embed_time(timesteps))
        hidden = self.walk(hidden, time, visit)
        hidden = self.conv_out(nn.functional.silu(self.conv_norm_out(hidden)))
        return hidden.unflatten(0, (batch, frames)).transpose(1, 2)
