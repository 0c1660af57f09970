"""Protections measured over folders of portraits and voices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from time import process_time

import torch
import torch.multiprocessing as processes
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.photo import Photo, read_photo
from silencer_core.presets import Preset
from silencer_core.protect import protect
from silencer_core.scores.controls import EQUAL_LINF, noise_controls
from silencer_core.scores.intervals import interval
from silencer_core.scores.report import Attacked, Report
from silencer_core.scores.verify import verify

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
ATTACK_SEED = 900_007  # no protection draws from it


@dataclass(frozen=True)
class Tried:
    """One portrait, protected by one preset and attacked after one clean-up at one guidance.

    Attributes:
        gain, gain_unprotected: of the mouth's opening on what the speech asks for.
        gain_ratio, window_ratio, response_ratio, control_ratio: protected / unprotected; the last
            is the audio control of the face.
        noise_gain_ratio, noise_window_ratio: the same for random noise of equal L-inf.
        identity_drop_db: lost beside the unprotected attack.
        psnr, ssim: of the change, over the portrait.
        seconds, cpu_seconds: that protecting took, by the clock and of this process.
        delta_e: of the change, mean CIEDE2000; NaN in stores of before it was noted.
    """

    preset: str
    portrait: str
    purify: str
    guidance: float
    gain: float
    gain_unprotected: float
    gain_ratio: float
    window_ratio: float
    response_ratio: float
    control_ratio: float
    noise_gain_ratio: float
    noise_window_ratio: float
    identity_drop_db: float
    psnr: float
    ssim: float
    seconds: float
    cpu_seconds: float
    delta_e: float = math.nan


RATIOS = (
    "gain_ratio",
    "window_ratio",
    "noise_gain_ratio",
    "response_ratio",
    "control_ratio",
    "noise_window_ratio",
)
_PLAIN = ("identity_drop_db", "psnr", "ssim", "delta_e", "seconds", "cpu_seconds")
OF_THE_MOUTH = ("gain_ratio", "noise_gain_ratio", "response_ratio")
LEAST_GAIN = 0.03  # of the unprotected attack; the meter's noise lies below


def photos_with_a_face(folder: Path, count: int, generator: Hallo) -> Iterator[tuple[str, Photo]]:
    """The first `count` photos of a folder in which the generator's face finder finds a face.

    Raises:
        SilencerError: none there.
    """
    faces, found = generator.faces(), 0
    for path in sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES):
        if found == count:
            return
        try:
            photo = read_photo(path)
        except SilencerError:
            continue
        if faces.find(photo.pixels):
            found += 1
            yield path.name, photo
    if not found:
        raise SilencerError(f"{folder}: no picture of a face was found there.")


@dataclass(frozen=True)
class Protected:
    """A protected photo `[3, H, W]`, how visible the change is, and what it took; see `Tried`."""

    pixels: Tensor
    psnr: float
    ssim: float
    seconds: float
    cpu_seconds: float
    delta_e: float = math.nan


@dataclass(frozen=True)
class Trial:
    """What every portrait goes through; see `try_presets`.

    Attributes:
        generator: that is protected against, and attacks.
        attacker: attacks in its place, where it is another.
        also: protected against at the same time.
        draws: attacks on each photo, with other noise, also of clean-ups; scores are their means.
    """

    generator: Hallo
    voices: Sequence[Speech]
    presets: Sequence[Preset]
    purifiers: Sequence[str]
    guidances: Sequence[float | None]
    frames: int | None = None
    attacker: Hallo | None = None
    also: Sequence[Hallo] = ()
    draws: int = 1

    def __call__(self, number: int, name: str, photo: Photo) -> list[Tried]:
        """One portrait with every preset."""
        done = {one.name: self.protected(number, name, photo, one) for one in self.presets}
        protected = {one: found.pixels for one, found in done.items()}
        # One noise for all presets of one largest change, the first's.
        shared = {_noise_of(one): protected[one.name] for one in reversed(self.presets)}
        noises = {one: _noise(photo.pixels, pixels) for one, pixels in shared.items()}
        first, *others = protected
        grid = verify(
            self.attacker or self.generator,
            photo.pixels,
            protected[first],
            self.said(number),
            self.purifiers,
            self.guidances,
            self.seeds(number),
            controls=False,
            frames=self.frames,
            others=noises | {other: protected[other] for other in others},
        )
        tried = []
        for report in grid.reports:
            attacked = {one.photo: one for one in report.controls} | {first: report.protected}
            for one in self.presets:
                preset, control = one.name, attacked[_noise_of(one)]
                tried.append(_tried(name, preset, report, attacked[preset], control, done[preset]))
        return tried

    def said(self, number: int) -> list[Speech]:
        """What attacks on a portrait say: another two of the voices each."""
        return [self.voices[(2 * number + k) % len(self.voices)] for k in (0, 1)]

    def seeds(self, number: int) -> list[int]:
        """Of the attacks on a portrait."""
        return [ATTACK_SEED + 1000 * draw + number for draw in range(self.draws)]

    def heard(self, _number: int) -> Sequence[Speech] | None:
        """What protections of a portrait hear; None for the package's own voices."""
        return None

    def protected(self, number: int, name: str, photo: Photo, chosen: Preset) -> Protected:
        """One portrait by one preset; its number is the seed."""
        began = process_time()
        heard = self.heard(number)
        found = protect(photo, self.generator, heard, chosen, also=self.also, seed=number)
        face = found.report.faces[0]
        return Protected(
            found.photo.pixels,
            face.visibility.psnr,
            face.visibility.ssim,
            round(face.seconds, 3),
            round(process_time() - began, 3),
            face.visibility.delta_e,
        )


def _noise_of(preset: Preset) -> str:
    """Name of the noise that a preset is compared with."""
    return f"noise of {preset.budget.linf}"


def _noise(photo: Tensor, protected: Tensor) -> Tensor:
    """As large as the change, also where there is none."""
    same = torch.equal(photo, protected)
    return photo if same else noise_controls(photo, protected)[EQUAL_LINF]


def _tried(
    portrait: str,
    preset: str,
    report: Report,
    attacked: Attacked,
    noise: Attacked,
    done: Protected,
) -> Tried:
    return Tried(
        preset,
        portrait,
        report.purify,
        report.guidance,
        attacked.scores.gain,
        report.unprotected.scores.gain,
        report.ratio("gain", attacked),
        report.ratio("window", attacked),
        report.ratio("response", attacked),
        report.ratio("control_face", attacked),
        report.ratio("gain", noise),
        report.ratio("window", noise),
        report.identity_drop(attacked),
        done.psnr,
        done.ssim,
        done.seconds,
        done.cpu_seconds,
        done.delta_e,
    )


Try = Callable[[int, str, Photo], list]
_trial: Try | None = None


def try_presets(
    trial: Try, photos: Sequence[tuple[str, Photo]], workers: int = 1
) -> Iterator[list]:
    """Protect every photo with every preset, against the package's own voices, and attack it.

    Each portrait is attacked with another two of the voices, none of which the protection heard.

    Args:
        workers: forked processes of one thread each; 1 is this process alone.
    """
    global _trial
    _trial = trial
    jobs = [(number, name, photo) for number, (name, photo) in enumerate(photos)]
    if workers == 1:
        yield from map(_try, jobs)
        return
    with processes.get_context("fork").Pool(workers, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap(_try, jobs)


def _try(job: tuple[int, str, Photo]) -> list:
    return _trial(*job)


def rows(tried: Sequence[Tried]) -> list[dict]:
    """One row per preset, clean-up and guidance: medians over portraits with intervals.

    Ratios of gain and response leave out portraits on which the unprotected attack failed (gain
    below `LEAST_GAIN`): there is nothing to divide by. Their `count` says how many are left.
    """
    out = []
    for key, group in cells(tried).items():
        figures = {
            name: interval([getattr(one, name) for one in group if counts(one, name)])
            for name in (*RATIOS, *_PLAIN)
        }
        row = dict(zip(("preset", "purify", "guidance"), key, strict=True))
        row |= {"portraits": len(group)}
        row |= {
            name: asdict(found) if name in RATIOS else found.median
            for name, found in figures.items()
        }
        out.append(row)
    return out


def cells(tried: Iterable[Tried]) -> dict[tuple[str, str, float | None], list[Tried]]:
    """Figures by preset, clean-up and guidance, the presets one after the other."""
    groups: dict[tuple, list[Tried]] = {}
    for one in tried:
        groups.setdefault((one.preset, one.purify, one.guidance), []).append(one)
    order = list(dict.fromkeys(preset for preset, _, _ in groups))
    return dict(sorted(groups.items(), key=lambda item: order.index(item[0][0])))  # stable


def duels(tried: Sequence[Tried], ours: str) -> list[dict]:
    """What every other method leaves beyond ours, portrait by portrait.

    One row per method, clean-up and guidance: medians, with intervals, of the paired differences
    of the relative gain's size and of the relative wide window. Above 0, ours is the better
    protection. A gain below 0 is no better than one above: the mouth still moves with the speech.
    """
    place = attrgetter("portrait", "purify", "guidance")
    mine = {place(one): one for one in tried if one.preset == ours}
    groups: dict[tuple, list[tuple[Tried, Tried]]] = {}
    for one in tried:
        if one.preset != ours and place(one) in mine:
            group = groups.setdefault((one.preset, one.purify, one.guidance), [])
            group.append((one, mine[place(one)]))
    out = []
    for key, pairs in groups.items():
        row = dict(zip(("preset", "purify", "guidance"), key, strict=True))
        for name in ("gain_ratio", "window_ratio"):
            beyond = [
                abs(getattr(other, name)) - abs(getattr(own, name))
                for other, own in pairs
                if counts(other, name)
            ]
            row[name] = asdict(interval(beyond))
        out.append(row)
    return out


def counts(one: Tried, name: str) -> bool:
    """Whether a ratio says something: one of the mouth does not where there was no gain to lose."""
    return name not in OF_THE_MOUTH or one.gain_unprotected >= LEAST_GAIN
