"""DDIM inversion: the slightly noisy latent from which the generator draws the portrait again.

The portrait's latent is taken a few steps up the sampling schedule. Denoising it by the same steps
brings it back, up to a small error; what the autoencoder and that error lose is kept beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recompute

from silencer_core.errors import Cancelled, SilencerError
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Condition, Hallo

if TYPE_CHECKING:
    from silencer_core.portrait import Portrait

Progress = Callable[[int, int], None]

_CLOSE_ENOUGH = 1e-6  # mean squared latent error at which a null condition needs no more fitting


@dataclass(frozen=True, eq=False)
class NullCondition:
    """What one denoising step hears and whom it is told to see; learnt, not given.

    `audio_tokens` `[1, 1, T, audio_dim]` and `face_tokens` `[1, T, cross_dim]`, float32.
    """

    audio_tokens: Tensor
    face_tokens: Tensor


#: v-prediction `[1, c, h, w]` for a noisy latent of that shape, a timestep and a null condition.
Velocity = Callable[[Tensor, int, NullCondition], Tensor]


@dataclass(frozen=True, eq=False)
class StillDenoiser:
    """The generator's denoising network on one frame that looks at its portrait; a `Velocity`.

    As in the first clip that `animate` makes, the motion frames are copies of the portrait.
    """

    generator: Hallo
    condition: Condition
    reference: ReferenceFeatures

    @classmethod
    def looking_at(cls, generator: Hallo, portrait: Portrait, latent: Tensor) -> StillDenoiser:
        """With the features of the portrait's latent `[1, c, h, w]`, which stay as they are."""
        condition = generator.condition(portrait)
        # A host may have made the masks in inference mode, where nothing can be kept for backward.
        condition = replace(condition, masks=tuple(mask.clone() for mask in condition.masks))
        seen = generator.reference_features(latent, condition.face_tokens).portrait
        copies = generator.config.motion_frames
        motion = {name: x[None].expand(-1, copies, -1, -1) for name, x in seen.items()}
        return cls(generator, condition, ReferenceFeatures(seen, motion))

    @property
    def null(self) -> NullCondition:
        """Where learning starts: no audio, and the tokens of the portrait's own face."""
        config, face = self.generator.config, self.condition.face_tokens.float()
        silence = face.new_zeros(1, 1, config.audio_tokens, config.audio_dim)
        return NullCondition(silence, face)

    def __call__(self, latent: Tensor, timestep: int, null: NullCondition) -> Tensor:
        dtype = self.generator.dtype
        return self.generator.predict(
            latent[:, :, None],
            torch.tensor([timestep]),
            replace(self.condition, face_tokens=null.face_tokens.to(dtype)),
            null.audio_tokens.to(dtype),
            self.reference,
        )[:, :, 0]


@dataclass(frozen=True)
class ReconstructionError:
    """How far the denoised latent is from the encoded one, and its picture from the portrait.

    PSNR in dB over the whole portrait, higher = closer; RMS of the difference between latents,
    lower = closer. `before` is with the null condition that learning starts from. `autoencoder`
    is the PSNR of the encoded and decoded portrait without any diffusion: no depth gets closer
    but by chance.
    """

    autoencoder: float
    psnr_before: float
    psnr: float
    latent_rms_before: float
    latent_rms: float


@dataclass(frozen=True, eq=False)
class InvertedLatent:
    """A portrait as a noisy latent, with all that is needed to get it back.

    Attributes:
        latent: float32 `[1, c, h, w]`, scaled, at the noise level of the first timestep.
        timesteps: of the denoising steps, from noisy to clean; empty at depth 0.
        nulls: the null condition of each of these steps.
        portrait: the untouched portrait, float32 `[3, S, S]` in -1..1.
        rebuilt: what the generator makes of `latent`, float32 `[3, S, S]`, about -1..1.
        error: how far `rebuilt` is from the portrait.
        velocity: predicts v in each step.
        schedule: of the steps.
        to_image: the autoencoder's decoder.
    """

    latent: Tensor
    timesteps: tuple[int, ...]
    nulls: tuple[NullCondition, ...]
    portrait: Tensor
    rebuilt: Tensor
    error: ReconstructionError
    velocity: Velocity
    schedule: DDIMScheduler
    to_image: Callable[[Tensor], Tensor]

    @property
    def residual(self) -> Tensor:
        """What the generator loses of the portrait, `[3, S, S]`; `decode` puts it back."""
        return self.portrait - self.rebuilt

    def decode(self, latent: Tensor | None = None, *, checkpoint: bool = False) -> Tensor:
        """Denoise, decode and put back what the untouched latent loses.

        Args:
            latent: `[1, c, h, w]`; the untouched one by default. The gradient flows to it.
            checkpoint: compute each step anew for its gradient, so that memory does not grow
                with the number of steps.

        Returns:
            float32 `[3, S, S]`, clamped to -1..1; the gradient passes as if it were not, so that
            a value can come back. For the untouched latent the portrait itself, bit for bit
            where the networks give the same numbers twice, as they do on the CPU.
        """
        latent = self.latent if latent is None else latent
        clean = _denoise(
            self.velocity,
            self.schedule,
            latent,
            zip(self.timesteps, self.nulls, strict=True),
            checkpoint=checkpoint,
        )
        free = self.portrait + (self.to_image(clean)[0] - self.rebuilt)
        limit = self.portrait.abs().clamp(min=1)  # resizing may have gone a rounding beyond 1
        return free + (free.clamp(-limit, limit) - free).detach()


@torch.inference_mode(False)
@torch.no_grad()
def invert(
    generator: Hallo,
    portrait: Portrait,
    *,
    steps: int = 20,
    depth: int = 2,
    refinements: int = 6,
    null_steps: int = 10,
    learning_rate: float = 0.1,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> InvertedLatent:
    """Take a portrait `depth` steps up the sampling schedule, so that it comes back the same way.

    DDIM inversion (Song et al., arXiv 2010.02502) with the generator's denoising network, which
    looks at the portrait, hears nothing and is not guided. Each step asks the network at a place
    that it does not know yet; taking what it found as that place and asking again (fixed-point
    iteration; Pan et al., *Effective Real Image Editing with Accelerated Iterative Diffusion
    Inversion*, ICCV 2023) makes the step exact. Then, step by step, the null condition is learnt
    that leads back to the path (Mokady et al., *Null-text Inversion*, CVPR 2023, without
    guidance); this stops where the path is met already. There is no randomness.

    Args:
        generator: the networks.
        portrait: fitting the generator's size.
        steps: of the schedule that the depth counts in, 1..1000.
        depth: steps up, 0..steps; 0 is the autoencoder's latent without any noise.
        refinements: times that each step up is corrected.
        null_steps: Adam steps per null condition at most.
        learning_rate: of Adam, above 0. The tokens that it moves are of order 1.
        progress: called with (network calls done, network calls in all).
        cancelled: asked before every network call.

    Returns:
        The inverted latent, on the generator's device.

    Raises:
        SilencerError: a number out of range, or a portrait of another size.
        Cancelled: when `cancelled()` says so.
    """
    _check(generator.config.size, portrait, steps, depth, refinements, null_steps, learning_rate)
    if depth == 0:
        null_steps = 0
    calls = 4 + depth * (2 + refinements) + (depth * (null_steps + 2) + 1 if null_steps else 0)
    work = _Work(calls, progress, cancelled)

    image = portrait.image.to(generator.device, torch.float32).clone()
    encoded = work(generator.encode, image[None])
    denoiser = work(StillDenoiser.looking_at, generator, portrait, encoded)
    velocity = partial(work, denoiser)
    down, up = _schedules(generator, steps)
    timesteps = tuple(up.timesteps[:depth].tolist())[::-1]

    path = _climb(velocity, up, encoded, timesteps[::-1], denoiser.null, refinements)

    def rebuild(nulls: Sequence[NullCondition]) -> tuple[Tensor, float, float]:
        pairs = zip(timesteps, nulls, strict=True)
        clean = _denoise(velocity, down, path[-1], pairs)
        rebuilt = work(generator.decode, clean)[0]
        return rebuilt, _psnr(rebuilt, image), _rms(clean - encoded)

    nulls = (denoiser.null,) * depth
    autoencoder = _psnr(work(generator.decode, encoded)[0], image)
    rebuilt, psnr_before, rms_before = rebuild(nulls)
    psnr, rms = psnr_before, rms_before
    if null_steps:
        nulls = _learn_nulls(
            work, velocity, down, path, timesteps, denoiser.null, null_steps, learning_rate
        )
        rebuilt, psnr, rms = rebuild(nulls)
    return InvertedLatent(
        latent=path[-1],
        timesteps=timesteps,
        nulls=nulls,
        portrait=image,
        rebuilt=rebuilt,
        error=ReconstructionError(autoencoder, psnr_before, psnr, rms_before, rms),
        velocity=denoiser,
        schedule=down,
        to_image=generator.decode,
    )


class _Work:
    """Calls networks one at a time: asks before each whether to go on, and counts it after."""

    def __init__(self, total: int, progress: Progress | None, cancelled: Callable[[], bool] | None):
        self.done, self.total = 0, total
        self.progress, self.cancelled = progress, cancelled
        self.skip(0)

    def __call__(self, network: Callable[..., Any], *inputs: Any) -> Any:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("inversion cancelled")
        result = network(*inputs)
        self.skip(1)
        return result

    def skip(self, calls: int) -> None:
        """Count calls as done."""
        self.done += calls
        if self.progress is not None:
            self.progress(self.done, self.total)


def _schedules(generator: Hallo, steps: int) -> tuple[DDIMScheduler, DDIMInverseScheduler]:
    """Down as the generator samples, and up by the same steps.

    The way up works on noise predictions. A v-prediction has its meaning at one noise level only;
    the inverse scheduler would read it at the level where the step begins, while the network was
    told, and answered for, the one where it ends. The noise means the same at both.
    """
    down = DDIMScheduler.from_config(generator.sampling_schedule.config)
    up = DDIMInverseScheduler.from_config(down.config, prediction_type="epsilon")
    down.set_timesteps(steps)
    up.set_timesteps(steps)
    return down, up


def _climb(
    velocity: Velocity,
    schedule: DDIMInverseScheduler,
    latent: Tensor,
    timesteps: Sequence[int],
    null: NullCondition,
    refinements: int,
) -> list[Tensor]:
    """The latents from clean to noisy, one more than there are timesteps (clean to noisy)."""
    path = [latent]
    for timestep in timesteps:
        kept = schedule.alphas_cumprod[timestep]
        above = path[-1]
        for _ in range(1 + refinements):
            noise = kept.sqrt() * velocity(above, timestep, null) + (1 - kept).sqrt() * above
            above = schedule.step(noise, timestep, path[-1]).prev_sample
        path.append(above)
    return path


def _denoise(
    velocity: Velocity,
    schedule: DDIMScheduler,
    latent: Tensor,
    steps: Iterable[tuple[int, NullCondition]],
    checkpoint: bool = False,
) -> Tensor:
    """DDIM without guidance; `steps` from noisy to clean."""
    for timestep, null in steps:

        def step(latent: Tensor, timestep: int = timestep, null: NullCondition = null) -> Tensor:
            prediction = velocity(latent, timestep, null)
            return schedule.step(prediction, timestep, latent).prev_sample

        latent = recompute(step, latent, use_reentrant=False) if checkpoint else step(latent)
    return latent


def _learn_nulls(
    work: _Work,
    velocity: Velocity,
    schedule: DDIMScheduler,
    path: Sequence[Tensor],
    timesteps: Sequence[int],
    null: NullCondition,
    null_steps: int,
    learning_rate: float,
) -> tuple[NullCondition, ...]:
    """One null condition per timestep (noisy to clean), each starting from the one before."""
    latent, nulls = path[-1], []
    for timestep, target in zip(timesteps, path[-2::-1], strict=True):
        tokens = (null.audio_tokens, null.face_tokens)
        tokens = [x.detach().clone().requires_grad_() for x in tokens]
        optimiser = torch.optim.Adam(tokens, lr=learning_rate)
        least = math.inf
        for trial in range(1 + null_steps):
            with torch.enable_grad():
                reached = _denoise(velocity, schedule, latent, [(timestep, NullCondition(*tokens))])
                loss = (reached - target).square().sum()  # a mean's gradient is lost in float16
            if trial == 0 or loss < least:
                least = loss.item()
                null = NullCondition(*(x.detach().clone() for x in tokens))
                nearest = reached.detach()
            if least <= _CLOSE_ENOUGH * target.numel():
                work.skip(null_steps - trial)
                break
            if trial < null_steps:
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        nulls.append(null)
        latent = nearest
    return tuple(nulls)


def _psnr(image: Tensor, portrait: Tensor) -> float:
    error = (image.clamp(-1, 1) - portrait).square().mean()
    return float(10 * torch.log10(4 / error))


def _rms(latent: Tensor) -> float:
    return float(latent.square().mean().sqrt())


def _check(
    size: int,
    portrait: Portrait,
    steps: int,
    depth: int,
    refinements: int,
    null_steps: int,
    learning_rate: float,
) -> None:
    if tuple(portrait.image.shape) != (3, size, size):
        raise SilencerError(
            f"the portrait is {tuple(portrait.image.shape)} but this generator takes "
            f"(3, {size}, {size}): find the portrait with size={size}."
        )
    if not 1 <= steps <= 1000:
        raise SilencerError(f"steps of the inversion is {steps}: choose 1 to 1000.")
    if not 0 <= depth <= steps:
        raise SilencerError(
            f"depth of the inversion is {depth} of {steps} steps: choose 0 to {steps}, "
            "or more steps."
        )
    if refinements < 0:
        raise SilencerError(f"refinements is {refinements}: choose 0 or more.")
    if null_steps < 0:
        raise SilencerError(f"null_steps is {null_steps}: choose 0 or more.")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise SilencerError(
            f"learning rate of the null conditions is {learning_rate}: choose one above 0."
        )
