"""What an attacker makes of photos: each cleaned up, and searched for its face anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Literal, NamedTuple

from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.faces import FaceBackend
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.portrait import Portrait, find_portrait
from silencer_core.purifiers.sequence import NONE

from .mouth import Mouth, mouth_of, moved

CleanUp = Callable[[Tensor, str], Tensor]


class Target(NamedTuple):
    """A photo after a clean-up, ready to be attacked.

    Attributes:
        photo: its name.
        portrait: found in this very picture.
        mouth: where the unprotected photo has it, in this portrait.
        clean: the unprotected photo after the same clean-up, `[3, S, S]` in 0..1, cut alike.
        notes: said if the face was not found there.
    """

    photo: str
    portrait: Portrait
    mouth: Mouth
    clean: Tensor
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Finder:
    """Finds portraits for a generator.

    Attributes:
        config: of the generator.
        backend: finds the faces.
        which: of several faces, as for `find_portrait`.
    """

    config: HalloConfig
    backend: FaceBackend
    which: Literal["largest"] | int = "largest"

    def find(self, photo: Tensor) -> Portrait:
        """The portrait in a photo `[3, H, W]`; SilencerError where there is none."""
        return find_portrait(
            photo,
            self.config.size,
            backend=self.backend,
            which=self.which,
            vae_factor=self.config.vae_factor,
            levels=self.config.levels,
        )

    def targets(
        self,
        photos: Mapping[str, Tensor],
        sequence: str,
        clean_up: CleanUp,
        untouched: Callable[[], Portrait] | None = None,
    ) -> Iterator[Target]:
        """Every photo after one clean-up.

        Args:
            photos: by name, `[3, H, W]` in 0..1, the unprotected one first.
            sequence: the clean-up's name.
            clean_up: does it.
            untouched: gives the portrait in the first photo before a clean-up, for callers that ask
                several times; by default it is searched for anew.

        Where a clean-up leaves no face in the first photo, or makes something else look like one,
        the face is taken from where it was before.

        Raises:
            SilencerError: no face is in the first photo, or none is left and its size has changed.
        """
        base = None
        for name, photo in photos.items():
            cleaned = clean_up(photo, sequence)
            if base is None:
                picture = cleaned
                find = untouched or partial(self.find, photo)
                base, notes = self._base(find, photo, cleaned, sequence)
                yield Target(name, base, mouth_of(base), base.image / 2 + 0.5, notes)
                continue
            portrait, notes = self._like(base, cleaned)
            clean = portrait.crop(picture) / 2 + 0.5
            yield Target(name, portrait, moved(mouth_of(base), base, portrait), clean, notes)

    def _base(
        self, untouched: Callable[[], Portrait], photo: Tensor, cleaned: Tensor, sequence: str
    ) -> tuple[Portrait, tuple[str, ...]]:
        """The portrait in a cleaned photo, or this photo where the face was before."""
        if sequence != NONE and cleaned.shape == photo.shape:
            return self._like(untouched(), cleaned, "it was before the clean-up")
        try:
            return self.find(cleaned), ()
        except SilencerError as error:
            raise SilencerError(
                f"the unprotected photo after {sequence!r} cannot be attacked ({error})"
            ) from error

    def _like(
        self, base: Portrait, photo: Tensor, place: str = "the unprotected photo has it"
    ) -> tuple[Portrait, tuple[str, ...]]:
        """The portrait in a photo, or this photo in another one's place."""
        portrait, found = base.again(self.find, photo)
        notes = (f"{found} was found, so it was taken where {place}",) if found else ()
        return portrait, notes
