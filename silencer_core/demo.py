"""The main job on one photo: protect, attack both, compare; results as files to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.files import write_text
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import animate
from silencer_core.photo import Photo, write_photo
from silencer_core.protect import protect
from silencer_core.scores.grid import Grid
from silencer_core.scores.pictures import film_strip, plot_openings, save_png
from silencer_core.scores.verify import verify
from silencer_core.video import write_video

SEED = 900_001  # of the attacks; no protection draws from it
SECONDS = 3.0  # of speech that the videos last at most
SCORED_FRAMES = 32
STILLS = 7  # frames of each video in the strip


@dataclass(frozen=True)
class Made:
    """The files that a demonstration leaves, and what was measured."""

    photo: Path
    video: Path
    strip: Path
    plot: Path
    report: Path
    grid: Grid


def demo_photo() -> Photo:
    """Astronaut Eileen Collins, NASA, public domain; comes with scikit-image."""
    from skimage.data import astronaut

    return Photo(torch.from_numpy(np.array(astronaut())).permute(2, 0, 1).float() / 255)


def demonstrate(
    photo: Photo,
    speech: Speech,
    generator: Hallo,
    out: Path,
    preset: str = "balanced",
    progress: Callable[[str, float, float], None] = lambda doing, done, total: None,
) -> Made:
    """Protect a photo without hearing `speech`, let both photos say it, and measure.

    Writes to `out`: `protected.png`, `before_after.mp4` (unprotected left, protected right, with
    the sound), `frames.png` (some frames of both), `openings.png` (mouth opening against what the
    audio asks) and `report.json`.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = protect(
        photo,
        generator,
        how=preset,
        progress=lambda state, _: progress("protecting", state.step, state.steps),
    )
    protected = out / "protected.png"
    write_photo(done.photo, protected)
    speech = Speech(speech.waveform[: int(SECONDS * speech.sample_rate)], speech.sample_rate)

    def animated(pixels: Tensor) -> Iterator[Tensor]:
        return animate(
            generator,
            generator.find_portrait(pixels),
            generator.drive(speech),
            seed=SEED,
            progress=lambda done, total: progress("attacking", done, total),
        )

    films = {
        "unprotected, made to talk (synthetic)": animated(photo.pixels),
        "protected, made to talk (synthetic)": animated(done.photo.pixels),
    }
    pairs = []

    def side_by_side() -> Iterator[Tensor]:
        for pair in zip(*films.values(), strict=True):
            pairs.append([(frame * 255).round().byte() for frame in pair])
            yield torch.cat(pair, 2)

    video, strip = out / "before_after.mp4", out / "frames.png"
    fps = generator.config.fps
    length = write_video(video, side_by_side(), speech, fps=fps)
    shown = [round((k + 0.5) * length / STILLS) for k in range(STILLS)]
    stills = zip(*([frame / 255 for frame in pairs[k]] for k in shown), strict=True)
    save_png(film_strip(dict(zip(films, stills, strict=True)), [k / fps for k in shown]), strip)
    grid = verify(
        generator,
        photo.pixels,
        done.photo.pixels,
        [speech],
        ("none",),
        (None,),
        (SEED,),
        frames=SCORED_FRAMES,
        progress=lambda doing, done, total: progress("scoring", done, total),
    )
    first = grid.reports[0]
    found = {one.photo: one.openings[0] for one in first.everyone}
    plot = out / "openings.png"
    save_png(plot_openings(first.asked[0], found), plot)
    report = out / "report.json"
    write_text(report, grid.to_json())
    return Made(protected, video, strip, plot, report, grid)
