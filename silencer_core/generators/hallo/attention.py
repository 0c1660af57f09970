"""Attention processors: where the portrait's features are written, and where they are read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn


def split_heads(attn: Attention, tokens: Tensor) -> Tensor:
    """`[N, T, C]` to `[N, heads, T, C / heads]`."""
    return tokens.unflatten(-1, (attn.heads, -1)).transpose(1, 2)


def softmax_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention; operands as `split_heads` gives them.

    The fused kernel everywhere but for small half-precision problems on the CPU: there its
    backward costs up to three times that of the plain formula, and it computes gradients of keys
    and values that nobody asked for. The limit keeps the scores below 16 MB.
    """
    if key.shape[2] == 1:  # one key has all the weight: a single frame's attention over time
        return value.expand_as(query)
    scores = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    if query.device.type == "cpu" and query.dtype != torch.float32 and scores <= 2**23:
        weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        return weights.softmax(-1) @ value
    return F.scaled_dot_product_attention(query, key, value)


def project_out(attn: Attention, hidden: Tensor) -> Tensor:
    """Heads together and through the output projection."""
    return attn.to_out[0](hidden.transpose(1, 2).flatten(2))


class Attend:
    """Self- or cross-attention as it stands in the book."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = split_heads(attn, attn.to_q(hidden_states))
        key, value = (split_heads(attn, project(context)) for project in (attn.to_k, attn.to_v))
        return project_out(attn, softmax_attention(query, key, value))


class WriteReference:
    """Self-attention of the reference network, which hands on what it reads.

    `written`, a list given with the call, receives the input `[N, h*w, C]`.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        written: list[Tensor] | None = None,
    ) -> Tensor:
        if written is not None:
            written.append(hidden_states)
        return Attend()(attn, hidden_states)


class ReadReference:
    """Self-attention of the denoising network, which looks at the portrait as well.

    Queries come from the frames `[rows, h*w, C]`; keys and values from the frames and from the
    features of portraits `[P, h*w, C]`, projected once per portrait however many frames read
    them. `reader` `[rows - blind]` says which portrait each row looks at; the first `blind` rows
    look at none (unconditional half of guidance).
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        portrait: Tensor | None = None,
        reader: Tensor | None = None,
        blind: int = 0,
    ) -> Tensor:
        if portrait is None:
            return Attend()(attn, hidden_states)
        query, key, value = (
            split_heads(attn, project(hidden_states))
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )

        def seen(own: Tensor, project: nn.Module) -> Tensor:
            heads = split_heads(attn, project(portrait))
            if len(heads) > 1:
                heads = heads[reader]
            return torch.cat([own[blind:], heads.expand(len(own) - blind, -1, -1, -1)], dim=2)

        hidden = softmax_attention(query[blind:], seen(key, attn.to_k), seen(value, attn.to_v))
        if blind:
            unseen = softmax_attention(query[:blind], key[:blind], value[:blind])
            hidden = torch.cat([unseen, hidden])
        return project_out(attn, hidden)


class ReadFace:
    """Cross-attention to the face tokens; the arguments of its neighbour are not for it."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        written: list[Tensor] | None = None,
        portrait: Tensor | None = None,
        reader: Tensor | None = None,
        blind: int = 0,
    ) -> Tensor:
        return Attend()(attn, hidden_states, encoder_hidden_states)


def self_attention_input(transformer: Transformer2DModel, hidden: Tensor) -> Tensor:
    """What a spatial transformer's self-attention reads: `[N, C, h, w]` to `[N, h*w, C]`."""
    hidden = transformer.proj_in(transformer.norm(hidden))
    return transformer.transformer_blocks[0].norm1(hidden.flatten(2).transpose(1, 2))
