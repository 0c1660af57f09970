"""Training of the small generator's networks: HalloNet on the cast's latents and the script."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as processes
from torch import Tensor, nn

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.schedule import sampling_schedule, training_schedule

from .cast import Cast
from .descent import Descent, leads
from .misplacing import misplaced
from .muon import MuonAdamW
from .precision import mixed_precision
from .script import Script

MOUTH_WEIGHT = 12.0
MOUTH_SPREAD = (15.0, 13.0)  # standard deviation across and down, pixels
NO_AUDIO, SILENCE, NOTHING = 0.06, 0.10, 0.06  # shares of clips
COPIES, GREY = 0.3, 0.15  # shares of clips whose motion frames are the portrait's, or grey
NO_MOTION = 0.2  # share of steps without motion frames: the portrait has to be looked at
CLIPS = (1, 4, 4, 8, 8, 16)  # frames of a clip, one is drawn per step
AVERAGE = 0.998


@dataclass
class Batch:
    """What one training step needs.

    Attributes:
        target: clean latents `[B, c, f, h, w]`.
        portrait: `[B, c, h, w]`; motion: `[B, n, c, h, w]`, n may be 0.
        windows: `[B, f, 5, 2, 40]`.
        masks: per level `[B, 3, tokens]`; region: `[B, 3, S, S]`.
        weight: loss weight `[B, 1, 1, h, w]`, mean 1.
    """

    target: Tensor
    portrait: Tensor
    motion: Tensor
    windows: Tensor
    masks: tuple[Tensor, ...]
    region: Tensor
    weight: Tensor


class Stage:
    """Draws batches: which people say which clips.

    Args:
        cast, script: what is learnt from.
        config: sizes.
        random: source of every choice.
        covered: share of clips of people whose mouths are covered; by default that in the cast.
    """

    def __init__(
        self,
        cast: Cast,
        script: Script,
        config: HalloConfig,
        random: torch.Generator,
        covered: float | None = None,
    ) -> None:
        self.cast, self.script, self.config, self.random = cast, script, config, random
        self.covered = covered
        if covered is not None:
            still = (cast.latents[:, 0] == cast.latents[:, -1]).flatten(1).all(1)
            self.groups = [(still == yes).nonzero()[:, 0] for yes in (True, False)]
            if not all(map(len, self.groups)):
                raise SilencerError(
                    f"training: a share of {covered} with covered mouths was asked for, but in the "
                    "cast all mouths are covered, or none; cast other people or leave it out."
                )
        rows = (torch.arange(config.latent_size, device=random.device) + 0.5) * config.vae_factor
        down, across = rows[:, None], rows[None, :]
        x, y = cast.mouth[:, 0, None, None], cast.mouth[:, 1, None, None]
        near = torch.exp(
            -(((across - x) / MOUTH_SPREAD[0]) ** 2 + ((down - y) / MOUTH_SPREAD[1]) ** 2) / 2
        )
        weight = 1 + MOUTH_WEIGHT * near
        self.weight = weight / weight.mean((1, 2), keepdim=True)

    def batch(self, people: int, frames: int, motion: bool) -> Batch:
        """People `[B]` who speak `frames` frames each, with or without motion frames."""
        cast, random = self.cast, self.random
        draw = {"generator": random, "device": random.device}
        who = self._people(people)
        heard, opening, before, first = self.script.clips(people, frames, random)
        silent = torch.rand(people, **draw) < SILENCE
        heard[silent], opening[silent] = -1.0, 0.0
        before[silent & (torch.rand(people, **draw) < 0.5)] = 0.0
        # The portrait's mouth is shut, or caught while speaking.
        posed = torch.rand(people, 1, **draw)
        posed = ((posed - 0.7) / 0.3).clamp(min=0)
        portrait = cast.at(who, posed)[:, 0]
        if motion:
            copies = first | (torch.rand(people, **draw) < COPIES)
            before = torch.where(copies[:, None], posed.expand_as(before), before)
            earlier = cast.at(who, before)
            noise = torch.randn(earlier.shape, **draw)
            earlier = earlier + 0.1 * torch.rand((), **draw) * noise
            earlier[torch.rand(people, **draw) < GREY] = cast.grey.float()
        else:
            earlier = portrait.new_zeros(people, 0, *portrait.shape[1:])
        masks, region = misplaced(
            cast.masks_by_level(who, self.config),
            cast.face_regions(who, self.config.size),
            random,
        )
        return Batch(
            target=cast.at(who, opening).transpose(1, 2),
            portrait=portrait,
            motion=earlier,
            windows=heard,
            masks=masks,
            region=region,
            weight=self.weight[who][:, None, None],
        )

    def _people(self, count: int) -> Tensor:
        """Numbers in the cast, `[count]`."""
        draw = {"generator": self.random, "device": self.random.device}
        if self.covered is None:
            return torch.randint(len(self.cast), (count,), **draw)
        still, moving = (
            group[torch.randint(len(group), (count,), **draw)] for group in self.groups
        )
        return torch.where(torch.rand(count, **draw) < self.covered, still, moving)


def velocity_loss(net: HalloNet, batch: Batch, random: torch.Generator) -> Tensor:
    """Weighted squared error of the v-prediction at one random timestep per clip."""
    people, device = len(batch.target), random.device
    draw = {"generator": random, "device": device}
    alphas = _alphas(random).to(device)
    # Half of the timesteps lie where the mouth is decided.
    late = torch.rand(people, **draw) < 0.5
    timesteps = torch.rand(people, **draw)
    timesteps = torch.where(late, 0.6 + 0.4 * timesteps, timesteps)
    timesteps = (timesteps * 1000).long().clamp(max=999)
    timesteps[torch.rand(people, **draw) < 0.1] = 999
    noise = torch.randn(batch.target.shape, **draw)
    signal = alphas[timesteps].sqrt()[:, None, None, None, None]
    spread = (1 - alphas[timesteps]).sqrt()[:, None, None, None, None]
    noisy = signal * batch.target + spread * noise
    wanted = signal * noise - spread * batch.target

    face = net.imageproj(torch.zeros(1, net.config.face_dim, device=device))
    located = net.face_locator(batch.region)
    audio = net.audioproj(batch.windows)
    deaf = torch.rand(people, **draw) < NO_AUDIO
    blind = int((torch.rand(people, **draw) < NOTHING).sum())
    deaf[:blind] = True
    audio = audio * (~deaf).float()[:, None, None, None]
    located = located * (torch.arange(people, device=device) >= blind).float()[:, None, None, None]
    rows = torch.cat([batch.portrait[:, None], batch.motion], 1)
    features = net.reference_unet(rows.flatten(0, 1), face)
    reference = ReferenceFeatures.split(features, people)
    reference.portrait = {name: x[blind:] for name, x in reference.portrait.items()}
    predicted = net.denoising_unet(
        noisy,
        timesteps,
        face_tokens=face,
        audio_tokens=audio,
        masks=batch.masks,
        face_feature=located,
        reference=reference,
        blind=blind,
    )
    return ((predicted - wanted).square() * batch.weight).mean()


def train_net(
    config: HalloConfig,
    cast: Cast,
    script: Script,
    out: Path,
    steps: int,
    rate: float = 3e-3,
    frames_per_step: int = 64,
    save_every: int = 200,
    covered: float | None = None,
    look: Callable[[HalloNet, int], str] | None = None,
    log: Callable[[str], None] = print,
    seed: int = 0,
) -> HalloNet:
    """Train, or go on training, and return the averaged network in evaluation mode.

    Clips of 1 to 16 frames are drawn from the first step on, most of them with motion frames:
    copying the person from these, pixel by pixel, is learnt within a hundred steps, while finding
    the same place in the portrait takes many hundred. Writes `net.pt` to `out`. The learning rate
    falls along a cosine to zero at `steps`; going on with more steps raises it again.

    Args:
        covered: see `Stage`.
        look: called with the averaged network and the step at every save; returns a line to log.
        seed: of the first weights and of every draw.

    Several processes of a torch.distributed group train together; the first writes and looks.
    """
    torch.manual_seed(seed)
    net = HalloNet(config)
    start_net(net)
    mean = copy.deepcopy(net).eval().requires_grad_(False)
    optimiser = MuonAdamW(net, rate)
    descent = Descent("net", net, mean, optimiser, out, keep=AVERAGE, lead=10, log=log)
    rank = processes.get_rank() if processes.is_initialized() else 0
    random = torch.Generator().manual_seed(1 + descent.step + 10**6 * rank + 10**7 * seed)
    stage = Stage(cast, script, config, random, covered)
    began = time.monotonic()
    while descent.step < steps:
        frames = CLIPS[int(_chance(random) * len(CLIPS))]
        motion = _chance(random) > NO_MOTION
        people = max(1, frames_per_step // max(frames, 3))
        batch = stage.batch(people, frames, motion)
        with mixed_precision():
            loss = velocity_loss(net, batch, random)
        descent.descend(loss, steps)
        step = descent.step
        if step % save_every == 0 or step == steps:
            minutes = (time.monotonic() - began) / 60
            descent.save()
            seen = look(mean, step) if look and leads() else ""
            loss = descent.recent_loss(save_every)
            log(f"net: step {step}, {minutes:.1f} min, loss {loss:.4f}{seen}")
    return mean


@torch.no_grad()
def start_net(net: HalloNet) -> None:
    """Every resnet begins as a pass, and both UNets as one (as Hallo's did), so that the same
    place looks alike to both."""
    for module in net.reference_unet.modules():
        if hasattr(module, "conv1") and hasattr(module, "conv2"):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
    net.denoising_unet.load_state_dict(net.reference_unet.state_dict(), strict=False)


def _alphas(random: torch.Generator) -> Tensor:
    """Mostly the schedule that sampling uses, sometimes the one that protection uses."""
    sampling, training = _tables()
    return sampling if _chance(random) < 0.75 else training


def _chance(random: torch.Generator) -> float:
    return float(torch.rand((), generator=random, device=random.device))


@functools.cache
def _tables() -> tuple[Tensor, Tensor]:
    return sampling_schedule().alphas_cumprod, training_schedule().alphas_cumprod
