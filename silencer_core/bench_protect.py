"""Protections measured over folders of portraits and voices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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


def try_presets(
    generator: Hallo,
    photos: Sequence[tuple[str, Photo]],
    voices: Sequence[Speech],
    presets: Sequence[Preset],
    purifiers: Sequence[str],
    guidances: Sequence[float | None],
    *,
    frames: int | None = None,
    progress: Callable[[str, int, int], None] = lambda doing, done, total: None,
) -> Iterator[Tried]:
    """Protect every photo with every preset, against the package's own voices, and attack it.

    Each portrait is attacked with another of the `voices`, none of which the protection heard.
    """
    total = len(photos) * len(presets)
    for number, (name, photo) in enumerate(photos):
        for place, chosen in enumerate(presets):
            progress(f"{chosen.name}: {name}", number * len(presets) + place, total)
            done = protect(photo, generator, None, chosen, seed=number)
            grid = verify(
                generator,
                photo.pixels,
                done.photo.pixels,
                [voices[number % len(voices)]],
                purifiers,
                guidances,
                (ATTACK_SEED + number,),
                frames=frames,
            )
            face = done.report.faces[0]
            seen = face.visibility
            yield Tried(chosen.name, name, grid, seen.psnr, seen.ssim, face.seconds)


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
