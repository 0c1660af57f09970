"""A generator whose networks' calls are recorded once as CUDA graphs and then replayed.

A step of protecting launches some ten thousand small kernels, and launching takes far longer than
computing: .42 s against .06 s on an H200 with the built-in generator, for the same pixels. Run many
processes at once under `nvidia-cuda-mps-control -d`, or they wait for each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Condition, Hallo

Call = Callable[..., tuple[Tensor, ...]]
MOST = 64  # rows; larger batches keep the device busy as they are


class RecordedHallo(Hallo):
    """The same networks; every call of a new shape is recorded on its first use.

    What was recorded with a gradient keeps its activations until its backward pass. So a call that
    is made again before that, as a rollout does, is another recording; `reference_features` of a
    portrait with a gradient begins a step, where they are used from the first again.

    Args:
        generator: on a GPU.
        with_gradient, without: record a call, given it and tensors like those that will come.
    """

    def __init__(
        self,
        generator: Hallo,
        with_gradient: Callable[[Call, list[Tensor]], Call] | None = None,
        without: Callable[[Call, list[Tensor]], Call] | None = None,
    ) -> None:
        super().__init__(
            generator.net, generator.vae, generator.audio_encoder, generator.face_analysis
        )
        self.with_gradient, self.without = with_gradient or _graphed, without or _replayed
        self.recorded: dict[tuple, Call] = {}
        self.used: dict[tuple, int] = {}
        self.places: dict[str | None, list[str]] = {}

    def encode(self, images: Tensor) -> Tensor:
        """See `Hallo.encode`."""
        return self._call("encode", lambda x: (super(RecordedHallo, self).encode(x),), [images])[0]

    def decode(self, latents: Tensor) -> Tensor:
        """See `Hallo.decode`."""
        return self._call("decode", lambda x: (super(RecordedHallo, self).decode(x),), [latents])[0]

    def reference_features(
        self, latents: Tensor, face_tokens: Tensor, stop_at: str | None = None
    ) -> ReferenceFeatures:
        """See `Hallo.reference_features`."""
        if torch.is_grad_enabled() and latents.requires_grad:
            self.used.clear()

        def features(latents: Tensor, tokens: Tensor) -> dict[str, Tensor]:
            return self.net.reference_unet(self._given(latents), tokens, stop_at)

        if stop_at not in self.places:
            with torch.no_grad():
                self.places[stop_at] = list(features(latents, face_tokens))
        values = self._call(
            "reference",
            lambda *given: tuple(features(*given).values()),
            [latents, face_tokens],
            (stop_at,),
        )
        return ReferenceFeatures.split(dict(zip(self.places[stop_at], values, strict=True)))

    def predict(
        self,
        latents: Tensor,
        timesteps: Tensor,
        condition: Condition,
        audio_tokens: Tensor,
        reference: ReferenceFeatures | None,
        **options: Any,
    ) -> Tensor:
        """See `Hallo.predict`."""
        if reference is None:
            return super().predict(
                latents, timesteps, condition, audio_tokens, reference, **options
            )
        levels = len(condition.masks)
        places, moved = list(reference.portrait), list(reference.motion)
        reader = [] if reference.reader is None else [reference.reader]

        def velocity(
            latents: Tensor, times: Tensor, face: Tensor, feature: Tensor, audio: Tensor, *rest
        ) -> tuple[Tensor, ...]:
            masks, rest = rest[:levels], rest[levels:]
            here = dataclasses.replace(
                condition, face_tokens=face, face_feature=feature, masks=tuple(masks)
            )
            portrait = dict(zip(places, rest, strict=False))
            motion = dict(zip(moved, rest[len(places) :], strict=False))
            seen = ReferenceFeatures(portrait, motion, rest[-1] if reader else None)
            return (
                super(RecordedHallo, self).predict(latents, times, here, audio, seen, **options),
            )

        tensors = [latents, timesteps, condition.face_tokens, condition.face_feature, audio_tokens]
        tensors += [*condition.masks, *reference.portrait.values(), *reference.motion.values()]
        told = (tuple(places), tuple(moved), bool(reader), repr(sorted(options.items())))
        return self._call("predict", velocity, tensors + reader, told)[0]

    def _call(self, name: str, call: Call, tensors: list[Tensor], told: tuple = ()) -> Any:
        tensors = [one.to(self.device) for one in tensors]
        if len(tensors[0]) > MOST:
            return call(*tensors)
        grad = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
        shapes = tuple((tuple(x.shape), x.dtype, grad and x.requires_grad) for x in tensors)
        key: tuple = (name, told, grad, shapes)
        if grad:
            self.used[key] = self.used.get(key, 0) + 1
            key = (*key, self.used[key])
        if key not in self.recorded:
            with torch.inference_mode(False):
                record = self.with_gradient if grad else self.without
                self.recorded[key] = record(call, tensors)
        return self.recorded[key](*tensors)


def _graphed(call: Call, tensors: list[Tensor]) -> Call:
    """Forward and backward pass."""
    sample = tuple(_like(one).requires_grad_(one.requires_grad) for one in tensors)
    return torch.cuda.make_graphed_callables(call, sample, allow_unused_input=True)


@torch.no_grad()
def _replayed(call: Call, tensors: list[Tensor]) -> Call:
    """Forward pass alone; results are copied, since the next replay writes over them."""
    inputs = [_like(one) for one in tensors]
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # libraries choose their kernels before the recording
        for _ in range(3):
            call(*inputs)
    torch.cuda.current_stream().wait_stream(beside)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call(*inputs)

    @torch.no_grad()
    def replay(*given: Tensor) -> tuple[Tensor, ...]:
        for own, one in zip(inputs, given, strict=True):
            own.copy_(one)
        graph.replay()
        return tuple(one.clone() for one in outputs)

    return replay


def _like(tensor: Tensor) -> Tensor:
    """A copy of its own, without gaps."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
