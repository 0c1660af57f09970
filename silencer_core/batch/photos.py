"""Which photos lie in a folder, and what their results are called."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from silencer_core.errors import SilencerError

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".avif"),
        *(".heic", ".heif", ".gif", ".bmp", ".jp2", ".ppm", ".tga"),
    )
)


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        photos: paths below the folder with `/`, in one order everywhere.
        others: how many other files there are.
        links: folders behind symbolic links, which are not followed.
    """

    photos: tuple[str, ...]
    others: int
    links: tuple[str, ...]


def find_photos(folder: Path, leave_out: Path) -> Found:
    """All files named like photos in a folder and the folders below it.

    Hidden files and folders are not looked at, folders behind links neither.

    Args:
        leave_out: a folder, perhaps below `folder`, that is not searched: the output.

    Raises:
        SilencerError: no such folder, or one of the folders cannot be read.
    """
    if not folder.is_dir():
        raise SilencerError(f"{folder}: no such folder; give the one that holds the photos.")
    leave_out = leave_out.resolve()
    photos, others, links = [], 0, []

    def refuse(error: OSError) -> None:
        raise SilencerError(
            f"{error.filename}: this folder cannot be read ({error.strerror}); "
            "check its permissions, or move it away."
        )

    for place, folders, files in os.walk(folder, onerror=refuse):
        here = Path(place)
        below = [name for name in folders if not name.startswith(".")]
        links += [_relative(here / name, folder) for name in below if (here / name).is_symlink()]
        folders[:] = sorted(name for name in below if (here / name).resolve() != leave_out)
        for name in files:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in SUFFIXES:
                photos.append(_relative(here / name, folder))
            else:
                others += 1
    return Found(tuple(sorted(photos)), others, tuple(sorted(links)))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def output_names(photos: Iterable[str]) -> dict[str, str]:
    """Photo to result, both relative: the same folders, `anna.jpg` becomes `anna.png`.

    Where two photos would meet, also on disks that do not tell `Anna` from `anna`, all of them
    keep their whole name (`anna.jpg.png`), and if that is not enough get a digest of it.
    """
    candidates = {photo: _candidates(photo) for photo in photos}
    chosen = dict.fromkeys(candidates, 0)
    while True:
        names = {photo: candidates[photo][level] for photo, level in chosen.items()}
        taken = Counter(_key(name) for name in names.values())
        meeting = [
            photo
            for photo, name in names.items()
            if taken[_key(name)] > 1 and chosen[photo] + 1 < len(candidates[photo])
        ]
        if not meeting:
            return names
        for photo in meeting:
            chosen[photo] += 1


def _candidates(photo: str) -> tuple[str, str, str]:
    path = PurePosixPath(photo)
    digest = hashlib.sha256(os.fsencode(photo)).hexdigest()[:12]
    names = f"{path.stem}.png", f"{path.name}.png", f"{path.name}.{digest}.png"
    return tuple(str(path.with_name(name)) for name in names)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
