"""How still a mouth stays that is not there: python benchmarks/wiped.py --help

The mouth is taken out of the photo, without any bound, and the photo attacked like a protected
one. What a generator then still moves, it does not take from the mouth's looks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from protection import tabulate, with_clips
from torch import Tensor

from silencer_core.bench_protect import Protected, Trial, photos_with_a_face
from silencer_core.generators import load_generator
from silencer_core.optimise.budget import near_mouth
from silencer_core.photo import Photo
from silencer_core.portrait import Portrait
from silencer_core.presets import PRESETS, Preset
from silencer_core.scores.image import visibility
from silencer_core.scores.targets import Finder
from silencer_core.voices import held_out_voices

BLURRED, PAINTED = "mouth blurred away", "mouth painted grey"
GREY = 0.6  # of 0..1, about as light as a cheek
_BLUR = 0.06  # standard deviation, as a share of the window's side
_REACH = 0.25  # see `Budget`; lips and chin


def wiped(photo: Tensor, portrait: Portrait, how: str) -> Tensor:
    """The photo `[3, H, W]` in 0..1 without its mouth."""
    from kornia.filters import gaussian_blur2d

    rows, columns = portrait.window.slices
    pixels = photo[:, rows, columns]
    deviation = _BLUR * pixels.shape[-1]
    size = 2 * int(2.5 * deviation) + 1
    blurred = gaussian_blur2d(pixels[None], (size, size), (deviation, deviation), "replicate")[0]
    cover = blurred if how == BLURRED else torch.full_like(pixels, GREY)
    out = photo.clone()
    out[:, rows, columns] = torch.lerp(
        pixels, cover, (1.5 * near_mouth(portrait, _REACH)).clamp(max=1).expand_as(pixels)
    )
    return out


@dataclass(frozen=True)
class WipedTrial(Trial):
    """A trial of photos without mouths."""

    def protected(self, number: int, name: str, photo: Photo, chosen: Preset) -> Protected:
        """The photo without its mouth, by the way that the preset's name says."""
        portrait = Finder(self.generator.config, self.generator.faces()).find(photo.pixels)
        pixels = wiped(photo.pixels, portrait, chosen.name)
        rows, columns = portrait.window.slices
        seen = visibility(photo.pixels[:, rows, columns], pixels[:, rows, columns])
        return Protected(pixels, seen.psnr, seen.ssim, 0.0, 0.0, seen.delta_e)


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    store: Annotated[Path, typer.Option(help="The .jsonl to add figures to.")],
    table: Annotated[Path, typer.Option(help="The .json for medians and intervals.")],
    generator: Annotated[Path | None, typer.Option(help="Who attacks.")] = None,
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "2",
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 20,
) -> None:
    """Attack portraits without mouths, 8 frames by each of two voices."""
    attacks = load_generator(generator)
    ways = [replace(PRESETS["fast"], name=way) for way in (BLURRED, PAINTED)]
    guidances = [float(value) for value in guidance.split(",")]
    trial = WipedTrial(
        with_clips(attacks, 8), held_out_voices(), ways, ["none"], guidances, frames=8
    )
    photos = list(photos_with_a_face(portraits, count, attacks))
    tabulate(trial, photos, store, table, workers=1)


if __name__ == "__main__":
    typer.run(main)
