"""Silencer-I exactly as its reference codes it, for comparison, at the cost it needs to have.

Source: Gan et al., *Silence is Golden: Leveraging Adversarial Examples to Nullify Audio Control
in LDM-based Talking-Head Generation*, CVPR 2025, arXiv 2506.01591; `protect_hallo.py` and
`attacks.py` of https://github.com/yuangan/Silencer.

The loss: from the portrait's latent z0 (the *static portrait*) and noise, z_t is made; the
denoiser, looking at the portrait and hearing audio, predicts v; the loss is its squared error
against the v that leads back to z0. It is minimised over the portrait's pixels, which act only
through the reference network. The reference encodes the portrait twice and two constant images
beside it, and takes all three through the whole reference network; here the portrait is encoded
once and constants are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor

from silencer_core.generators.hallo.denoiser import Forward, ReferenceFeatures
from silencer_core.generators.hallo.generator import Condition, Hallo
from silencer_core.generators.hallo.reference import MID
from silencer_core.generators.hallo.schedule import min_snr_weight


@dataclasses.dataclass(frozen=True)
class Draws:
    """The random numbers of one step, for a clip of f frames.

    `timestep` 0..999; `noise` `[1, c, f, h, w]`, offset included; `target_noise` `[f, c, h, w]`
    and `reference_noise` `[1 + n, c, h, w]`, standard normal, make samples of the autoencoder's
    posterior for the target and for `[portrait, motion frames]`; `windows`
    `[f, window, blocks, channels]` is the audio, or none for the unconditional branch.
    """

    timestep: int
    noise: Tensor
    target_noise: Tensor
    reference_noise: Tensor
    windows: Tensor | None

    @classmethod
    def sample(
        cls,
        generator: Hallo,
        heard: Tensor,
        source: torch.Generator,
        *,
        frames: int = 1,
        timesteps: tuple[int, int] = (200, 300),
        drop_audio: float = 0.05,
    ) -> Draws:
        """Draw as the reference does, from a seeded CPU generator.

        Args:
            heard: all windows `[L, window, blocks, channels]` of one clip of speech; a random
                stretch of `frames` of them is taken.
            timesteps: half-open interval.
            drop_audio: probability of no audio.
        """
        config = generator.config
        c, side = config.latent_channels, config.latent_size

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=source)

        def integer(low: int, high: int) -> int:
            return int(torch.randint(low, high, (), generator=source))

        start = integer(0, len(heard) - frames + 1)
        dropped = float(torch.rand((), generator=source)) < drop_audio
        return cls(
            timestep=integer(*timesteps),
            noise=normal(1, c, frames, side, side) + 0.05 * normal(1, c, 1, 1, 1),
            target_noise=normal(frames, c, side, side),
            reference_noise=normal(1 + config.motion_frames, c, side, side),
            windows=None if dropped else heard[start : start + frames],
        )


@dataclasses.dataclass(frozen=True)
class Step:
    """`loss`, and `gradient` `[3, S, S]` float32 of it with respect to the portrait in -1..1."""

    loss: float
    gradient: Tensor


class Silencer1:
    """The loss and its gradient, with everything that never changes computed once.

    Args:
        generator: frozen networks, any precision; the autoencoder's moments, the target and the
            loss are float32 throughout.
        condition: of the clean portrait.
        forward: "silencer" as coded; "animate" for the network that inference runs.
        bank_dtype: round the reference features through this type (the reference: float16).
    """

    def __init__(
        self,
        generator: Hallo,
        condition: Condition,
        *,
        forward: Forward = "silencer",
        bank_dtype: torch.dtype | None = None,
    ):
        self.generator = generator
        self.condition = condition
        self.forward = forward
        self.bank_dtype = bank_dtype
        self.weights = min_snr_weight(generator.training_schedule)
        size = generator.config.size
        with torch.no_grad():  # motion frames are grey images
            self.grey = generator.posterior(torch.zeros(1, 3, size, size))

    def step(self, image: Tensor, draws: Draws) -> Step:
        """One loss and its gradient for an image `[3, S, S]` in -1..1 and given random numbers."""
        image = image.detach().to(self.generator.device, torch.float32).requires_grad_()
        loss = self.loss(image, draws)
        (gradient,) = torch.autograd.grad(loss, image)
        return Step(loss.item(), gradient)

    def loss(self, image: Tensor, draws: Draws) -> Tensor:
        """The loss alone, differentiable with respect to `image`."""
        posterior = self.generator.posterior(image[None])
        reference = self.reference(posterior, draws)
        noisy, target = self.target(posterior, draws)
        prediction = self.generator.predict(
            noisy,
            torch.tensor([draws.timestep]),
            self.condition,
            self.audio(draws),
            reference,
            forward=self.forward,
        )
        return F.mse_loss(prediction, target) * self.weights[draws.timestep].to(target.device)

    @torch.no_grad()
    def target(
        self, posterior: DiagonalGaussianDistribution, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Noisy latents of the static portrait and the v that leads back to it, no gradient."""
        noise = draws.noise.to(posterior.mean)
        latents = self._sample(posterior, draws.target_noise)
        latents = latents.transpose(0, 1)[None]
        timestep = torch.tensor([draws.timestep])
        schedule = self.generator.training_schedule
        return (
            schedule.add_noise(latents, noise, timestep),
            schedule.get_velocity(latents, noise, timestep),
        )

    def reference(self, posterior: DiagonalGaussianDistribution, draws: Draws) -> ReferenceFeatures:
        """Features of the portrait, with gradient, and of the grey motion frames, without."""
        network, tokens = self.generator.net.reference_unet, self.condition.face_tokens
        dtype = self.generator.dtype
        portrait = self._sample(posterior, draws.reference_noise[:1])
        features = network(portrait.to(dtype), tokens)
        with torch.no_grad():
            grey = self._sample(self.grey, draws.reference_noise[1:])
            only_mid = MID if self.forward == "silencer" else None
            motion = network(grey.to(dtype), tokens, only_mid)
            motion = {name: x[None] for name, x in motion.items()}
        reference = ReferenceFeatures(features, motion)
        return reference if self.bank_dtype is None else reference.rounded_to(self.bank_dtype)

    @torch.no_grad()
    def audio(self, draws: Draws) -> Tensor:
        """Audio tokens `[1, f, T, audio_dim]`; zeros where the audio is dropped."""
        if draws.windows is not None:
            return self.generator.audio_tokens(draws.windows)
        config, frames = self.generator.config, draws.noise.shape[2]
        shape = (1, frames, config.audio_tokens, config.audio_dim)
        return torch.zeros(shape, device=self.generator.device, dtype=self.generator.dtype)

    def _sample(self, posterior: DiagonalGaussianDistribution, noise: Tensor) -> Tensor:
        noise = noise.to(posterior.mean)
        return (posterior.mean + posterior.std * noise) * self.generator.config.latent_scale


def silencer1_step(
    generator: Hallo,
    condition: Condition,
    image: Tensor,
    draws: Draws,
    *,
    forward: Forward = "silencer",
) -> Step:
    """One Silencer-I step for given random numbers, to compare implementations in one process.

    Builds its constants anew; a loop keeps one `Silencer1` and calls its `step`.
    """
    return Silencer1(generator, condition, forward=forward).step(image, draws)


def silencer1_pgd(
    objective: Silencer1,
    image: Tensor,
    start: Tensor,
    draws: Iterable[Draws],
    *,
    steps: int = 100,
    budget: float = 32 / 255,
    rate: float = 2 / 255,
) -> Iterator[tuple[Tensor, float]]:
    """Signed descent as the reference runs it; numbers in the -1..1 range of the portrait.

    Args:
        image: the clean portrait `[3, S, S]`.
        start: `[3, S, S]` uniform in 0..1; the start is uniform over the whole budget and, as
            coded, not clamped to -1..1.
        draws: one per step.
        rate: first step; it falls linearly towards a hundredth of itself.

    Yields:
        the portrait after each step, and the loss before it.
    """
    image = image.to(objective.generator.device, torch.float32)
    perturbed = image + (start.to(image) * 2 * budget - budget)
    for i, draw in zip(range(steps), draws, strict=False):
        result = objective.step(perturbed, draw)
        step = rate - (rate - rate / 100) / steps * i
        perturbed = perturbed - result.gradient.sign() * step
        perturbed = torch.min(torch.max(perturbed, image - budget), image + budget).clamp(-1, 1)
        yield perturbed, result.loss
