"""Protections measured over folders of portraits and voices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.multiprocessing as processes

from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.photo import Photo, read_photo
from silencer_core.presets import Preset
from silencer_core.protect import protect
from silencer_core.scores.grid import Grid
from silencer_core.scores.intervals import interval
from silencer_core.scores.verify import verify

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
NOISE = 0  # of a report's controls: random noise of equal L-inf
ATTACK_SEED = 900_007  # no protection draws from it


@dataclass(frozen=True)
class Tried:
    """One portrait protected by one preset and attacked."""

    preset: str
    portrait: str
    grid: Grid
    psnr: float
    ssim: float
    seconds: float


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
class Trial:
    """What every portrait goes through; see `try_presets`."""

    generator: Hallo
    voices: Sequence[Speech]
    presets: Sequence[Preset]
    purifiers: Sequence[str]
    guidances: Sequence[float | None]
    frames: int | None = None

    def __call__(self, number: int, name: str, photo: Photo) -> list[Tried]:
        """One portrait with every preset."""
        tried = []
        for chosen in self.presets:
            done = protect(photo, self.generator, None, chosen, seed=number)
            grid = verify(
                self.generator,
                photo.pixels,
                done.photo.pixels,
                [self.voices[(2 * number + k) % len(self.voices)] for k in (0, 1)],
                self.purifiers,
                self.guidances,
                (ATTACK_SEED + number,),
                frames=self.frames,
            )
            face = done.report.faces[0]
            seen = face.visibility
            tried.append(Tried(chosen.name, name, grid, seen.psnr, seen.ssim, face.seconds))
        return tried


_trial: Trial | None = None


def try_presets(
    trial: Trial, photos: Sequence[tuple[str, Photo]], workers: int = 1
) -> Iterator[list[Tried]]:
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


def _try(job: tuple[int, str, Photo]) -> list[Tried]:
    return _trial(*job)


def rows(tried: Sequence[Tried]) -> list[dict]:
    """One row per preset, clean-up and guidance: medians over portraits with intervals."""
    out = []
    for name in dict.fromkeys(one.preset for one in tried):
        group = [one for one in tried if one.preset == name]
        for reports in zip(*(one.grid.reports for one in group), strict=True):
            first = reports[0]
            out.append(
                {
                    "preset": name,
                    "purify": first.purify,
                    "guidance": first.guidance,
                    "portraits": len(reports),
                    "gain_ratio": asdict(interval([r.ratio("gain") for r in reports])),
                    "window_ratio": asdict(interval([r.ratio("window") for r in reports])),
                    "noise_gain_ratio": asdict(
                        interval([r.ratio("gain", r.controls[NOISE]) for r in reports])
                    ),
                    "identity_drop_db": interval([r.identity_drop() for r in reports]).median,
                    "psnr": interval([one.psnr for one in group]).median,
                    "ssim": interval([one.ssim for one in group]).median,
                    "seconds": interval([one.seconds for one in group]).median,
                }
            )
    return out
