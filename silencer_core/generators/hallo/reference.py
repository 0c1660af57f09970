"""The reference network: a portrait's latent to the features that the denoising network reads."""

from __future__ import annotations

import torch
from torch import Tensor

from .attention import ReadFace, WriteReference, self_attention_input
from .config import HalloConfig
from .unet import Place, UNet

MID = "mid_block.attentions.0"


class ReferenceNetwork(UNet):
    """Stable Diffusion's UNet without an output head, run at timestep 0.

    Its result is not an image but what the self-attention of each spatial transformer reads.
    """

    def __init__(self, config: HalloConfig):
        super().__init__(config)
        for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
            for transformer in getattr(block, "attentions", ()):
                transformer.transformer_blocks[0].attn1.set_processor(WriteReference())
                transformer.transformer_blocks[0].attn2.set_processor(ReadFace())

    def forward(
        self, latents: Tensor, face_tokens: Tensor, stop_at: str | None = None
    ) -> dict[str, Tensor]:
        """Features by place.

        Args:
            latents: `[N, c, h, w]`, scaled VAE latents of portraits or motion frames.
            face_tokens: `[N or 1, T, cross_dim]`.
            stop_at: the last place wanted; everything behind it is left out.

        Returns:
            name of each spatial transformer -> `[N, h_i*w_i, C_i]`, in order of the walk.
        """
        stop_at = stop_at or self.last_place
        features: dict[str, Tensor] = {}
        face_tokens = face_tokens.expand(len(latents), -1, -1)

        def visit(place: Place, hidden: Tensor) -> Tensor:
            if not place.attends:
                return hidden
            transformer = place.block.attentions[place.index]
            if place.name == stop_at:  # nobody needs its attention, only what that reads
                features[place.name] = self_attention_input(transformer, hidden)
                return hidden
            written: list[Tensor] = []
            hidden = transformer(
                hidden,
                encoder_hidden_states=face_tokens,
                cross_attention_kwargs={"written": written},
                return_dict=False,
            )[0]
            (features[place.name],) = written
            return hidden

        time = self.embed_time(torch.zeros(1, device=latents.device))
        self.walk(self.conv_in(latents), time, visit, stop_at)
        return features
