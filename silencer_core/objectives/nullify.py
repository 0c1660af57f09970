"""The nullifying loss: whatever the generator hears, it shall predict the static portrait.

Two terms, both on the v-prediction of clips in the forward that animates:

- *static*: squared distance from the v that leads back to the untouched portrait's latent, after
  Gan et al., *Silence is Golden* (CVPR 2025, arXiv 2506.01591), there at one timestep of one
  interval and one audio window a step;
- *invariance*: squared distance between what is predicted with speech and with silence, or with
  another voice, from the same noisy latent: the audio's influence itself. Guidance multiplies
  what is left of it, so this term decides how a protection holds at raised guidance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from silencer_core.audio import DrivingAudio, Speech, windows
from silencer_core.checks import MOST_WEIGHT, check_number, check_whole
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import denoise_clip
from silencer_core.generators.hallo.schedule import min_snr_weight
from silencer_core.portrait import Portrait

from .objective import Step

TALKING_STEPS = 4  # denoising steps for the talking latents: rough ones will do
NUDGE = 0.3  # standard deviation of the noise that tells how visible a channel of the latent is


@dataclass(frozen=True)
class NullifyAudio:
    """Settings of the nullifying loss.

    Attributes:
        intervals: timesteps to draw from, half-open, each draw from one of them.
        draws: how many (timestep, noise, audio) a step averages over. They share one encoder and
            one reference pass; memory does not grow with them.
        frames: of a clip, at most the generator's.
        static, silence, other_voice: weights of the terms; 0 leaves a term out. At the built-in
            generator's guidance the invariance alone holds better than both together.
        lip, face: how much more the error counts there, on top of 1 everywhere; the weights are
            then brought to mean 1.
        talking: share of draws whose noisy latent is of the unprotected portrait *talking*, as it
            is in the middle of an attack, instead of static. They cost a clip of every voice at the
            start, as long as a short descent takes, and gained nothing at the built-in generator.
        quiet: share of draws that hear silence or noise instead of speech in the static term.
        min_snr: weight timesteps by min-SNR (gamma 5).
        loud: 0..1; only stretches of speech are drawn whose features differ from silence (root
            mean square) by at least this share of the most that any of their recording's do. 0
            draws them anywhere, also in pauses and in the silence that fills a recording up to
            whole clips, from which an invariance learns nothing.
        visible: weight the latent's channels by how much the portrait changes with each, as the
            decoder shows it. Alike, most of the loss is in channels that hardly show.
    """

    intervals: tuple[tuple[int, int], ...] = ((400, 1000),)
    draws: int = 2
    frames: int = 4
    static: float = 0.0
    silence: float = 1.0
    other_voice: float = 0.0
    lip: float = 12.0
    face: float = 0.0
    talking: float = 0.0
    quiet: float = 0.0
    min_snr: bool = False
    loud: float = 0.0
    visible: bool = False

    def __post_init__(self) -> None:
        check_whole("nullifying loss: draws", self.draws, 1, 1000)
        check_whole("nullifying loss: frames", self.frames, 1, 1000)
        for name in ("static", "silence", "other_voice", "lip", "face"):
            check_number(f"nullifying loss: {name}", getattr(self, name), 0, MOST_WEIGHT)
        for name in ("talking", "quiet", "loud"):
            check_number(f"nullifying loss: {name}", getattr(self, name), 0, 1)
        for low, high in self.intervals:
            check_whole("nullifying loss: a timestep", low, 0, 1000)
            check_whole("nullifying loss: a timestep", high, 0, 1000)
            if not 0 <= low < high <= 1000:
                raise SilencerError(f"timesteps {low}..{high}: choose 0 <= low < high <= 1000.")
        if not self.intervals:
            raise SilencerError("the nullifying loss needs an interval of timesteps.")
        if not self.static and not self.silence and not self.other_voice:
            raise SilencerError("all terms of the nullifying loss are 0: nothing to aim at.")

    def bind(
        self,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int = 0,
    ) -> BoundNullify:
        """See `Objective.bind`."""
        if not audio:
            raise SilencerError("the nullifying loss needs at least one recording to nullify.")
        return BoundNullify(self, generator, portrait, audio, seed)


@dataclass(frozen=True)
class Draw:
    """One clip: `timestep`, `noise` and `base` `[1, c, f, h, w]`, windows per branch."""

    timestep: int
    noise: Tensor
    base: Tensor
    heard: tuple[Tensor, ...]


class BoundNullify:
    """The nullifying loss for one portrait; see `BoundObjective`."""

    def __init__(
        self,
        settings: NullifyAudio,
        generator: Hallo,
        portrait: Portrait,
        audio: Sequence[DrivingAudio],
        seed: int,
    ) -> None:
        self.settings, self.generator, self.portrait = settings, generator, portrait
        self.condition = generator.condition(portrait)
        config = generator.config
        self.frames = min(settings.frames, config.clip_frames)
        self.alphas = generator.sampling_schedule.alphas_cumprod
        self.snr_weight = min_snr_weight(generator.sampling_schedule)
        self.voices = [windows(one.features, config.audio_margin) for one in audio]
        rate = audio[0].speech.sample_rate
        hush = Speech(torch.zeros(round(rate * config.clip_frames / config.fps)), rate)
        self.silence = windows(generator.drive(hush).features, config.audio_margin)
        self.starts = [
            _loud_starts(voice, self.silence, self.frames, settings.loud) for voice in self.voices
        ]
        self.weight = _weight(portrait, settings, config.latent_size)
        with torch.no_grad():
            latent = generator.encode(portrait.image[None])
            self.static = latent.cpu()[:, :, None]
            if settings.visible:
                self.weight = self.weight * _channel_weights(generator, latent)
            self.talking = self._talking(seed) if settings.talking else []

    def _talking(self, seed: int) -> list[Tensor]:
        """The untouched portrait saying the first clip of every voice, `[1, c, f, h, w]`."""
        generator, random = self.generator, torch.Generator().manual_seed(seed)
        latent, length = self.static[:, :, 0], generator.config.clip_frames
        clips = []
        for voice in self.voices:
            noise = torch.randn(
                (*self.static.shape[:2], length, *latent.shape[2:]), generator=random
            )
            *_, clip = denoise_clip(
                generator,
                self.condition,
                latent.to(generator.device),
                latent.expand(generator.config.motion_frames, -1, -1, -1).to(generator.device),
                generator.audio_tokens(voice[:length]),
                noise,
                steps=TALKING_STEPS,
                guidance=generator.config.guidance,
            )
            clips.append(clip.cpu())
        return clips

    def draw(self, random: torch.Generator) -> list[Draw]:
        """As many clips as the settings say."""
        return [self._draw(random) for _ in range(self.settings.draws)]

    def _draw(self, random: torch.Generator) -> Draw:
        settings = self.settings

        def integer(low: int, high: int) -> int:
            return int(torch.randint(low, high, (), generator=random))

        def chance(share: float) -> bool:
            return float(torch.rand((), generator=random)) < share

        def stretch(heard: Tensor, starts: Sequence[int]) -> Tensor:
            start = starts[integer(0, len(starts))]
            return heard[start : start + self.frames]

        def spoken() -> Tensor:
            which = integer(0, len(self.voices))
            return stretch(self.voices[which], self.starts[which])

        def hush() -> Tensor:
            return stretch(self.silence, range(len(self.silence) - self.frames + 1))

        low, high = settings.intervals[integer(0, len(settings.intervals))]
        voice = spoken()
        if chance(settings.quiet):
            voice = hush()
        frames = len(voice)
        heard = [voice]
        if settings.silence:
            heard.append(hush()[:frames])
        if settings.other_voice:
            heard.append(spoken()[:frames])
        base = self.static.expand(-1, -1, frames, -1, -1)
        if self.talking and chance(settings.talking):
            clip = self.talking[integer(0, len(self.talking))]
            start = integer(0, clip.shape[2] - frames + 1)
            base = clip[:, :, start : start + frames]
        return Draw(
            timestep=integer(low, high),
            noise=torch.randn(base.shape, generator=random),
            base=base,
            heard=tuple(heard),
        )

    def step(self, pixels: Tensor, draws: list[Draw]) -> Step:
        """Loss and gradient; draws one after the other, then once through the shared part."""
        with torch.inference_mode(False), torch.enable_grad():
            pixels = self._given(pixels).requires_grad_()
            features = self._features(pixels)
            leaves = {name: x.detach().requires_grad_() for name, x in features.items()}
            total = 0.0
            for one in draws:
                loss = self._loss(leaves, one) / len(draws)
                loss.backward()
                total += loss.item()
            used = [name for name, leaf in leaves.items() if leaf.grad is not None]
            (gradient,) = torch.autograd.grad(
                [features[name] for name in used], pixels, [leaves[name].grad for name in used]
            )
        return Step(total, gradient.cpu())

    @torch.no_grad()
    def value(self, pixels: Tensor, draws: list[Draw]) -> float:
        """The loss alone."""
        features = self._features(self._given(pixels))
        return sum(self._loss(features, one).item() for one in draws) / len(draws)

    def _given(self, pixels: Tensor) -> Tensor:
        return pixels.detach().to(self.generator.device, torch.float32, copy=True)

    def _features(self, pixels: Tensor) -> dict[str, Tensor]:
        """Of the portrait, `[1, tokens, C]`; its motion frames, being copies, have the same."""
        latent = self.generator.encode(self.portrait.crop_window(pixels)[None])
        return self.generator.reference_features(latent, self.condition.face_tokens).portrait

    def _loss(self, features: dict[str, Tensor], draw: Draw) -> Tensor:
        generator, settings = self.generator, self.settings
        alpha = float(self.alphas[draw.timestep])
        noisy = alpha**0.5 * draw.base + (1 - alpha) ** 0.5 * draw.noise
        # The v that leads from here to the static portrait.
        still = (alpha**0.5 * noisy - self.static) / (1 - alpha) ** 0.5
        still, weight = still.to(generator.device), self.weight.to(generator.device)
        tokens = torch.cat([generator.audio_tokens(heard) for heard in draw.heard])
        copies = generator.config.motion_frames
        reference = ReferenceFeatures(
            features, {name: x[:, None].expand(-1, copies, -1, -1) for name, x in features.items()}
        )
        predicted = generator.predict(
            noisy.expand(len(tokens), -1, -1, -1, -1),
            torch.tensor([draw.timestep]),
            self.condition,
            tokens,
            reference,
        )
        heard, *others = predicted.split(1)

        def distance(a: Tensor, b: Tensor) -> Tensor:
            return ((a - b).square() * weight).mean()

        loss = settings.static * distance(heard, still)
        weights = [w for w in (settings.silence, settings.other_voice) if w]
        for scale, other in zip(weights, others, strict=True):
            loss = loss + scale * distance(heard, other)
        if settings.min_snr:
            loss = loss * float(self.snr_weight[draw.timestep])
        return loss


def _loud_starts(voice: Tensor, silence: Tensor, frames: int, least: float) -> list[int]:
    """Where stretches of so many frames begin that are loud enough, see `NullifyAudio.loud`."""
    # Frame by frame, as a long recording's windows fill the memory once already.
    apart = torch.stack([(frame - silence[0]).float().square().mean() for frame in voice])
    loudness = apart.unfold(0, min(frames, len(apart)), 1).mean(-1).sqrt()
    return (loudness >= least * loudness.max()).nonzero().flatten().tolist()


def _channel_weights(generator: Hallo, latent: Tensor) -> Tensor:
    """How much of the picture's squared change each channel of a latent makes, for equal noise.

    Args:
        latent: scaled, `[1, c, h, w]`, of the picture that is changed.

    Returns:
        `[1, c, 1, 1, 1]` float32 on the CPU, mean 1.
    """
    random, image = torch.Generator().manual_seed(0), generator.decode(latent)
    found = []
    for channel in range(latent.shape[1]):
        nudged = latent.clone()
        nudged[:, channel] += (NUDGE * torch.randn(latent.shape[2:], generator=random)).to(latent)
        found.append((generator.decode(nudged) - image).square().mean())
    change = torch.stack(found).float().cpu()
    return (change / change.mean().clamp(min=1e-12)).view(1, -1, 1, 1, 1)


def _weight(portrait: Portrait, settings: NullifyAudio, side: int) -> Tensor:
    """`[1, 1, 1, h, w]`, mean 1."""
    _, face, lip = portrait.masks[0]
    weight = 1 + settings.face * face + settings.lip * lip
    return (weight / weight.mean()).view(1, 1, 1, side, side)
