"""Attacks on the autoencoder or on the reference network alone: what comes after is not asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from silencer_core.audio import DrivingAudio
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.portrait import Portrait

from .pixelwise import BoundLoss


@dataclass(frozen=True)
class EncoderAttack:
    """PhotoGuard's encoder attack: the latent's norm falls to zero.

    Source: Salman et al., *Raising the Cost of Malicious AI-Powered Image Editing* (ICML 2023,
    arXiv 2302.06588), github.com/MadryLab/photoguard, its "simple attack".
    """

    def bind(
        self, generator: Hallo, portrait: Portrait, audio: Sequence[DrivingAudio], seed: int = 0
    ) -> BoundLoss:
        """See `Objective.bind`; audio does not matter."""
        return _LatentNorm(generator, portrait)


@dataclass(frozen=True)
class FeatureDrift:
    """The reference features leave those of the untouched portrait: their cosine falls.

    The core of Dormant (Wang et al., *Defending against Pose-driven Human Image Animation*, USENIX
    Security 2025), which adds momentum and expectation over transformations: wrap it in
    `AntiPurify`.
    """

    def bind(
        self, generator: Hallo, portrait: Portrait, audio: Sequence[DrivingAudio], seed: int = 0
    ) -> BoundLoss:
        """See `Objective.bind`; audio does not matter."""
        return _Drift(generator, portrait)


class _LatentNorm(BoundLoss):
    def loss(self, image: Tensor, draws: None) -> Tensor:
        return self.generator.encode(image).norm()


class _Drift(BoundLoss):
    def __init__(self, generator: Hallo, portrait: Portrait) -> None:
        super().__init__(generator, portrait)
        with torch.no_grad():
            self.untouched = self._features(portrait.image[None].to(generator.device))

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        latent = self.generator.encode(image)
        return self.generator.reference_features(latent, self.condition.face_tokens).portrait

    def loss(self, image: Tensor, draws: None) -> Tensor:
        found = self._features(image)
        near = [
            torch.cosine_similarity(x.float(), self.untouched[name].float(), dim=-1).mean()
            for name, x in found.items()
        ]
        return torch.stack(near).mean()
