"""A generator ready to run: networks, autoencoder, schedules, and where its inputs come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor

from silencer_core.errors import SilencerError

from .config import HalloConfig
from .denoiser import Forward, ReferenceFeatures
from .network import HalloNet
from .schedule import sampling_schedule, training_schedule
from .vae import build_vae

if TYPE_CHECKING:
    from silencer_core.audio import DrivingAudio, Speech
    from silencer_core.faces import FaceBackend
    from silencer_core.portrait import Portrait


@dataclasses.dataclass(frozen=True)
class Condition:
    """What of a portrait, besides its pixels, enters the networks; constant while it is animated.

    `face_tokens` and `blank_tokens` (nobody) `[1, T, cross_dim]`, `face_feature`
    `[1, channels[0], h, w]`, `masks` per level `[1, 3, h_i*w_i]`.
    """

    face_tokens: Tensor
    blank_tokens: Tensor
    face_feature: Tensor
    masks: tuple[Tensor, ...]

    def guided(self) -> Condition:
        """Two samples: nobody nowhere, and this face here. The regions stay."""
        return dataclasses.replace(
            self,
            face_tokens=torch.cat([self.blank_tokens, self.face_tokens]),
            face_feature=torch.cat([torch.zeros_like(self.face_feature), self.face_feature]),
        )


class Hallo:
    """A talking-head generator of Hallo's family, frozen.

    Args:
        net: the networks of the checkpoint.
        vae: the autoencoder.
        audio_encoder: maps speech to `DrivingAudio`; without it the generator cannot `drive`.
        face_analysis: folder of the published ONNX face models, where there is one.

    Parameters are frozen and modules in eval mode: gradients flow through, not into, the weights.
    """

    def __init__(
        self,
        net: HalloNet,
        vae: AutoencoderKL,
        audio_encoder: Callable[[Speech], DrivingAudio] | None = None,
        face_analysis: Path | None = None,
    ):
        self.config: HalloConfig = net.config
        self.net = net.requires_grad_(False).eval()
        self.vae = vae.requires_grad_(False).eval()
        self.audio_encoder = audio_encoder
        self.face_analysis = face_analysis
        self.training_schedule = training_schedule()
        self.sampling_schedule = sampling_schedule()

    @classmethod
    def untrained(cls, config: HalloConfig, dtype: torch.dtype = torch.float32) -> Hallo:
        """Random weights of the given sizes, from torch's current seed."""
        modules = HalloNet(config), build_vae(config)
        return cls(*(torch.nn.Module.to(module, dtype) for module in modules))

    @property
    def device(self) -> torch.device:
        return self.net.imageproj.proj.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.net.imageproj.proj.weight.dtype

    def _given(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.dtype)

    # pictures and latents

    def posterior(self, images: Tensor) -> DiagonalGaussianDistribution:
        """The autoencoder's belief about `[N, 3, S, S]` in -1..1, float32, not yet scaled."""
        moments = self.vae.encode(self._given(images), return_dict=False)[0].parameters
        return DiagonalGaussianDistribution(moments.float())

    def encode(self, images: Tensor) -> Tensor:
        """`[N, 3, S, S]` in -1..1 to scaled latents `[N, c, h, w]` float32: the posterior mean."""
        return self.posterior(images).mean * self.config.latent_scale

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents `[N, c, h, w]` to images `[N, 3, S, S]` float32, about -1..1."""
        latents = self._given(latents / self.config.latent_scale)
        return self.vae.decode(latents, return_dict=False)[0].float()

    # conditions

    def condition(self, portrait: Portrait) -> Condition:
        """Project what the portrait says about where and who the face is.

        Raises:
            SilencerError: if the identity embedding is another model's. A zero one, which says
                that nobody was identified, fits any generator.
        """
        embedding, width = portrait.embedding, self.config.face_dim
        if not embedding.any():
            embedding = torch.zeros(width)
        if len(embedding) != width:
            raise SilencerError(
                f"the portrait's identity embedding has {len(embedding)} values but this "
                f"generator takes {width}: find the portrait with the generator's own `faces()`."
            )
        return self.condition_on(embedding, portrait.face_region, portrait.masks)

    @torch.no_grad()
    def condition_on(
        self, embedding: Tensor, face_region: Tensor, masks: Sequence[Tensor]
    ) -> Condition:
        """The same from tensors: `[face_dim]`, `[3, S, S]` in 0..1, per level `[3, h_i*w_i]`."""
        embedding = self._given(embedding)[None]
        return Condition(
            face_tokens=self.net.imageproj(embedding),
            blank_tokens=self.net.imageproj(torch.zeros_like(embedding)),
            face_feature=self.net.face_locator(self._given(face_region)[None]),
            masks=tuple(self._given(mask)[None] for mask in masks),
        )

    def audio_tokens(self, windows: Tensor) -> Tensor:
        """Windows `[f, window, blocks, channels]` to tokens `[1, f, T, audio_dim]`."""
        return self.net.audioproj(self._given(windows))[None]

    def reference_features(
        self, latents: Tensor, face_tokens: Tensor, stop_at: str | None = None
    ) -> ReferenceFeatures:
        """Features of `[portrait, motion frames...]`, scaled latents `[1+n, c, h, w]`."""
        features = self.net.reference_unet(self._given(latents), face_tokens, stop_at)
        return ReferenceFeatures.split(features)

    def predict(
        self,
        latents: Tensor,
        timesteps: Tensor,
        condition: Condition,
        audio_tokens: Tensor,
        reference: ReferenceFeatures | None,
        *,
        motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
        blind: int = 0,
        forward: Forward = "animate",
    ) -> Tensor:
        """v-prediction float32 for noisy `[B, c, f, h, w]`; see `DenoisingNetwork.forward`."""
        return self.net.denoising_unet(
            self._given(latents),
            timesteps.to(self.device),
            face_tokens=condition.face_tokens,
            audio_tokens=audio_tokens,
            masks=condition.masks,
            face_feature=condition.face_feature,
            reference=reference,
            motion_scale=motion_scale,
            blind=blind,
            forward=forward,
        ).float()

    # inputs

    def drive(self, speech: Speech) -> DrivingAudio:
        """Speech to the features that drive the frames."""
        if self.audio_encoder is None:
            raise RuntimeError("this generator was built without an audio encoder")
        return self.audio_encoder(speech)

    def faces(self) -> FaceBackend:
        """The face finder that fits this generator: its own ONNX models, else the cascade."""
        from silencer_core.faces import default_backend

        return default_backend(self.face_analysis)

    def find_portrait(self, photo: Tensor, **options: Any) -> Portrait:
        """What this generator sees of a face in a photo; see `portrait.find_portrait`."""
        from silencer_core.portrait import find_portrait

        config = self.config
        fitting = {"vae_factor": config.vae_factor, "levels": config.levels}
        return find_portrait(photo, config.size, backend=self.faces(), **fitting, **options)
