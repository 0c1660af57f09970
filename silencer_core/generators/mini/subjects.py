"""Held-out people to measure the built-in generator with: drawn, or any folder of photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.masks import attention_masks, face_region, regions
from silencer_core.photo import read_photo
from silencer_core.portrait import IDENTITY_SIZE, Portrait, Window, find_portrait
from silencer_core.scores.mouth import Mouth, mouth_of

from .cast import face_and_lips
from .covers import cover_mouth
from .looks import random_look
from .naturals import Naturals
from .photographs import Shot
from .portraits import draw

HELD_OUT_SEED = 900_000  # looks that no training draws
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Subject:
    """A portrait and where its mouth is, in the portrait's pixels."""

    name: str
    portrait: Portrait
    mouth: Mouth


def behind_cover(subject: Subject, naturals: Naturals, seed: int) -> Subject:
    """The same with the mouth covered by something; regions and all else as before."""
    portrait, mouth = subject.portrait, subject.mouth
    nowhere = (0.0, 0.0, 0.0, 0.0)
    shot = Shot(portrait.image[None] / 2 + 0.5, (mouth.x, mouth.y), mouth.unit, nowhere, nowhere)
    image = cover_mouth(shot, naturals, seed).frames[0] * 2 - 1
    return replace(subject, portrait=replace(portrait, image=image))


def drawn_subjects(count: int, config: HalloConfig) -> Iterator[Subject]:
    """Rendered people whom the training never saw; the mouth is where it was drawn."""
    for number in range(count):
        shot = draw(random_look(HELD_OUT_SEED + number), config.size).shot(torch.zeros(1))
        yield Subject(f"drawn {number}", portrait_of(shot, config), Mouth(*shot.mouth, shot.unit))


def photographed_subjects(folder: Path, count: int, config: HalloConfig) -> Iterator[Subject]:
    """The first `count` photos of a folder in which a face is found, in order of their names.

    Raises:
        SilencerError: no picture there with a face.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES)
    found = 0
    for path in paths:
        if found == count:
            return
        try:
            portrait = find_portrait(
                read_photo(path).pixels,
                config.size,
                vae_factor=config.vae_factor,
                levels=config.levels,
            )
        except SilencerError:
            continue
        found += 1
        yield Subject(path.name, portrait, mouth_of(portrait))
    if not found:
        raise SilencerError(f"{folder}: no picture of a face was found there.")


def portrait_of(shot: Shot, config: HalloConfig) -> Portrait:
    """The portrait that a shot's first frame is, from the true places of face and lips."""
    size = config.size
    face, lip = face_and_lips(shot, size)
    parts = regions(face, lip)
    whole = Window(0, 0, size, size)
    return Portrait(
        image=shot.frames[0] * 2 - 1,
        face_region=face_region(face, size),
        masks=attention_masks(parts, size, factor=config.vae_factor, levels=config.levels),
        embedding=torch.zeros(IDENTITY_SIZE),
        window=whole,
        photo_size=(size, size),
        face=None,
        face_height=2 * shot.unit,
        shape=torch.from_numpy(face).float() / 255,
        shape_window=whole,
    )


def outside_the_mouth(mouth: Mouth, size: int) -> Tensor:
    """`[S, S]`, 0 where the mouth and the jaw below it move, 1 elsewhere."""
    outside = torch.ones(size, size)
    outside[mouth.lips(size)] = 0
    return outside
