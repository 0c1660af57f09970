"""What the built-in generator can do, measured: does it talk, to whom it listens, as whom."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as processes
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import animate
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.scores.intervals import RESAMPLES, Interval, interval

from .looks import random_look
from .mel import RATE, mouth_opening
from .meter import MouthMeter, mouth_windows
from .naturals import Naturals
from .portraits import draw
from .sheets import save_talking
from .subjects import HELD_OUT_SEED, Subject, behind_cover, outside_the_mouth

FRAMES = 48  # three clips
BEGIN = 10  # frames of a recording that are left out at its beginning
LAGS = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class Take:
    """One subject driven by one voice, and by silence from the same noise.

    `asked`, `measured`, `still` `[F]` openings; `frames` `[F, 3, S, S]` in 0..1; `identity` dB.
    """

    subject: Subject
    asked: Tensor
    measured: Tensor
    still: Tensor
    frames: Tensor
    identity: float


def excerpt(speech: Speech, frames: int) -> tuple[Speech, Tensor]:
    """A stretch that lasts so many frames, repeated if the recording is shorter, and its openings.

    The opening asked for is that of the stretch itself.
    """
    waveform = speech.resampled(RATE)
    samples = frames * RATE // 25
    begin = min(BEGIN * RATE // 25, max(0, len(waveform) - samples))
    piece = waveform[begin:]
    piece = piece.repeat(-(-samples // len(piece)))[:samples]
    return Speech(piece, RATE), mouth_opening(piece)


def take(
    generator: Hallo,
    meter: MouthMeter,
    subject: Subject,
    speech: Speech,
    *,
    frames: int | None = None,
    guidance: float = 2.0,
    seed: int = 7,
) -> Take:
    """Drive one subject with one voice and with silence, for `FRAMES` frames if none are given."""
    piece, asked = excerpt(speech, frames or FRAMES)
    hush = Speech(torch.zeros_like(piece.waveform), piece.sample_rate)
    spoken, silent = (
        torch.stack(
            list(
                animate(
                    generator,
                    subject.portrait,
                    generator.drive(heard),
                    guidance=guidance,
                    seed=seed,
                )
            )
        )
        for heard in (piece, hush)
    )
    x, y, unit = subject.mouth.x, subject.mouth.y, subject.mouth.unit
    size = generator.config.size
    outside = outside_the_mouth(subject.mouth, size)
    error = (spoken - (subject.portrait.image / 2 + 0.5)).square().mean(1)
    kept = -10 * ((error * outside).sum((1, 2)) / outside.sum()).log10()
    return Take(
        subject,
        asked,
        meter.read(spoken, (x, y), unit),
        meter.read(silent, (x, y), unit),
        spoken,
        kept.mean().item(),
    )


def follows(measured: Tensor, asked: Tensor, lag: int) -> tuple[float, float]:
    """Correlation and slope of the measured opening on the one asked for `lag` frames before."""
    a = asked[max(0, -lag) : len(asked) - max(0, lag)]
    m = measured[max(0, lag) : len(measured) + min(0, lag)]
    a, m = a - a.mean(), m - m.mean()
    both, power = (a * m).sum(), a.square().sum()
    return (both / (power * m.square().sum()).sqrt()).item(), (both / power).item()


def best(measured: Tensor, asked: Tensor) -> tuple[float, float, int]:
    """Highest correlation over `LAGS`, the slope there, and the lag."""
    found = [(*follows(measured, asked, lag), lag) for lag in LAGS]
    return max(found, key=lambda one: one[0] if np.isfinite(one[0]) else -2)


@dataclass(frozen=True)
class Talking:
    """How a group of subjects follows voices; see `summary`."""

    sync: Interval
    gain: Interval
    shuffled: Interval
    silence_ratio: Interval
    identity_psnr: Interval
    border_ratio: Interval


def summary(takes: Sequence[Take], clip: int) -> Talking:
    """Figures over subjects.

    `shuffled` correlates each subject's mouth with what the *next* subject's voice asks, at the
    lag that is usual for the right voice (choosing the best lag anew would flatter it).
    `border_ratio` compares how much the picture changes across the borders of clips with how much
    it changes from frame to frame elsewhere; 1 = borders cannot be told.
    """
    pairs = [best(one.measured, one.asked) for one in takes]
    lag = int(np.median([found[2] for found in pairs]))
    others = [*takes[1:], takes[0]]
    shuffled = [
        follows(one.measured, other.asked, lag)[0] for one, other in zip(takes, others, strict=True)
    ]
    return Talking(
        sync=interval([found[0] for found in pairs]),
        gain=interval([found[1] for found in pairs]),
        shuffled=interval(shuffled),
        silence_ratio=interval([(t.still.std() / t.measured.std()).item() for t in takes]),
        identity_psnr=interval([one.identity for one in takes]),
        border_ratio=interval([_border(one.frames, clip) for one in takes]),
    )


_crew: tuple[Hallo, MouthMeter, float] | None = None


def _film(
    generator: Hallo,
    meter: MouthMeter,
    pairs: Iterable[tuple[Subject, Speech]],
    guidance: float,
    workers: int,
) -> Iterator[Take]:
    """Takes in order, by this process alone or by forked ones of one thread each."""
    global _crew
    _crew = (generator, meter, guidance)
    if workers == 1:
        yield from map(_shoot, pairs)
        return
    with processes.get_context("fork").Pool(workers, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap(_shoot, pairs)


def _shoot(pair: tuple[Subject, Speech]) -> Take:
    generator, meter, guidance = _crew
    return take(generator, meter, *pair, guidance=guidance)


def _save(one: Take, path: Path) -> None:
    curves = {"asked": one.asked, "measured": one.measured, "with silence": one.still}
    save_talking(one.subject.portrait.image / 2 + 0.5, one.frames, curves, path)


def _border(frames: Tensor, clip: int) -> float:
    change = frames.diff(dim=0).square().mean((1, 2, 3)).sqrt()
    border = torch.zeros(len(change), dtype=torch.bool)
    border[clip - 1 :: clip] = True
    if not border.any():
        return float("nan")
    return (change[border].mean() / change[~border].mean()).item()


@torch.no_grad()
def meter_agreement(meter: MouthMeter, size: int, people: int) -> Interval:
    """Correlation of the meter with the truth on drawn people whom it never saw.

    The interval is the bootstrap's over people; `median` is the correlation over all of them.
    """
    random = torch.Generator().manual_seed(5)
    read, truth = [], []
    for number in range(people):
        opening = torch.rand(6, generator=random)
        shot = draw(random_look(HELD_OUT_SEED + number), size).shot(opening)
        read.append(meter(mouth_windows(shot.frames, shot.mouth, shot.unit)))
        truth.append(opening)
    read, truth = torch.stack(read), torch.stack(truth)
    drawn = torch.randint(people, (RESAMPLES, people), generator=random)
    found = [_correlation(read[one], truth[one]) for one in drawn]
    low, high, p90 = np.percentile(found, (2.5, 97.5, 90)).tolist()
    return Interval(_correlation(read, truth), low, high, p90, people)


def _correlation(a: Tensor, b: Tensor) -> float:
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


@torch.no_grad()
def autoencoding(generator: Hallo, subjects: Sequence[Subject]) -> tuple[Interval, Interval]:
    """PSNR (dB) and SSIM of portraits through the autoencoder."""
    from skimage.metrics import structural_similarity

    psnr, ssim = [], []
    for subject in subjects:
        image = subject.portrait.image[None]
        shown = generator.decode(generator.encode(image)).clamp(-1, 1).cpu()
        psnr.append(-10 * np.log10(((shown - image) / 2).square().mean().item()))
        a, b = (x[0].permute(1, 2, 0).numpy() / 2 + 0.5 for x in (image, shown))
        ssim.append(float(structural_similarity(a, b, channel_axis=2, data_range=1.0)))
    return interval(psnr), interval(ssim)


def covered_ratio(
    generator: Hallo, meter: MouthMeter, subjects: Sequence[Subject], voices: Sequence[Speech]
) -> Interval:
    """How much speech moves the lips' place when something covers the mouth, over how much it does
    when nothing does; with the same voice, noise and regions. 0 = the portrait is looked at."""
    naturals = Naturals(generator.config.size)

    def motion(subject: Subject, speech: Speech) -> float:
        frames = take(generator, meter, subject, speech, frames=generator.config.clip_frames).frames
        rows, columns = subject.mouth.lips(frames.shape[-1])
        return frames[..., rows, columns].std(0).square().mean().sqrt().item()

    ratios = []
    for number, (subject, speech) in enumerate(zip(subjects, itertools.cycle(voices))):
        behind = behind_cover(subject, naturals, HELD_OUT_SEED + number)
        ratios.append(motion(behind, speech) / motion(subject, speech))
    return interval(ratios)


def seconds_per_clip(generator: Hallo, subject: Subject, speech: Speech) -> float:
    """To make 16 frames at the generator's own steps and guidance, the face known; least of 3."""
    heard = generator.drive(excerpt(speech, 16)[0])
    return min(
        _seconds(lambda: list(animate(generator, subject.portrait, heard, guidance=2.0)))
        for _ in range(3)
    )


def seconds_per_step(generator: Hallo, subject: Subject, speech: Speech) -> float:
    """One gradient of the nullifying loss as the paper has it: one frame, one draw; least of 5."""
    settings = NullifyAudio(draws=1, frames=1, static=1.0, silence=0.0, talking=0.0)
    bound = settings.bind(generator, subject.portrait, [generator.drive(speech)])
    pixels = subject.portrait.image / 2 + 0.5
    draws = bound.draw(torch.Generator().manual_seed(0))
    return min(_seconds(lambda: bound.step(pixels, draws)) for _ in range(5))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Material:
    """Whom and what to measure with; `recordings` may be empty."""

    drawn: Sequence[Subject]
    photos: Sequence[Subject]
    voices: Sequence[Speech]
    recordings: Sequence[Speech]


def measure(
    generator: Hallo,
    meter: MouthMeter,
    material: Material,
    *,
    guidance: float = 2.0,
    sheets: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """All figures, as plain nested values ready for JSON; `workers` processes animate."""
    if not material.voices:
        raise SilencerError("bench: there is no voice to drive the generator with.")
    clip = generator.config.clip_frames
    groups = {
        "rendered": (material.drawn, material.voices),
        "photos": (material.photos, material.voices),
        "recordings": ((material.photos or material.drawn)[:20], material.recordings),
    }
    groups = {name: group for name, group in groups.items() if all(map(len, group))}
    total = sum(len(subjects) for subjects, _ in groups.values())
    done, figures, every = 0, {}, []
    for name, (subjects, speeches) in groups.items():
        takes = []
        pairs = zip(subjects, itertools.cycle(speeches))
        for taken in _film(generator, meter, pairs, guidance, workers):
            takes.append(taken)
            done += 1
            progress(done, total)
            if sheets is not None:
                _save(takes[-1], sheets / f"{name}_{len(takes) - 1:03d}.png")
        figures[name] = dataclasses.asdict(summary(takes, clip))
        figures[name]["count"] = len(takes)
        every += takes if name != "recordings" else []
    both = summary(every, clip)
    figures["shuffled"] = dataclasses.asdict(both.shuffled)
    figures["silence_ratio"] = dataclasses.asdict(both.silence_ratio)
    people = material.photos or material.drawn
    psnr, ssim = autoencoding(generator, people)
    figures |= {"vae_psnr": dataclasses.asdict(psnr), "vae_ssim": dataclasses.asdict(ssim)}
    covered = covered_ratio(generator, meter, people[:20], material.voices)
    figures["covered_ratio"] = dataclasses.asdict(covered)
    agreement = meter_agreement(meter, generator.config.size, 48)
    figures["meter_r"] = dataclasses.asdict(agreement)
    figures["seconds_16_frames"] = seconds_per_clip(generator, people[0], material.voices[0])
    figures["seconds_step"] = seconds_per_step(generator, people[0], material.voices[0])
    figures["guidance"] = guidance
    figures["voices"] = len(material.voices)
    return figures
