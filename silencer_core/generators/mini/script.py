"""The script: utterances as features and mouth openings, and clips cut from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from silencer_core.files import whole

from .mel import mel_features, mouth_opening
from .voices import Utterance


@dataclass(frozen=True)
class Script:
    """All utterances one after another.

    Attributes:
        features: `[T, 2, 40]` float16, what `mel_features` gives.
        opening: `[T]` float32, what each frame asks of the mouth.
        start: `[U + 1]`, first frame of each utterance, and T.
    """

    features: Tensor
    opening: Tensor
    start: Tensor

    def __len__(self) -> int:
        return len(self.start) - 1

    def clips(
        self, count: int, frames: int, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Cut clips at random, none across two utterances.

        Returns:
            windows `[count, frames, 5, 2, 40]`; openings `[count, frames]`; openings of the two
            frames before `[count, 2]`; whether the clip begins its utterance `[count]`.
        """
        lengths = self.start.diff()
        place = torch.arange(len(self.opening), device=self.start.device)
        end = self.start[1:].repeat_interleave(lengths)
        (fitting,) = (end - place >= frames).nonzero(as_tuple=True)
        chosen = torch.randint(len(fitting), (count,), generator=random, device=place.device)
        at = fitting[chosen]
        low = self.start[:-1].repeat_interleave(lengths)[at]
        index = at[:, None] + torch.arange(frames, device=at.device)
        earlier = at[:, None] - torch.tensor([2, 1], device=at.device)
        before = self.opening[torch.maximum(earlier, low[:, None])]
        return self._windows(index, low, end[at]), self.opening[index], before, at == low

    def utterance(self, number: int, begin: int, frames: int) -> tuple[Tensor, Tensor]:
        """Windows `[frames, 5, 2, 40]` and openings `[frames]` out of one utterance."""
        low, high = self.start[number : number + 2]
        index = low + begin + torch.arange(frames, device=low.device)
        return self._windows(index[None], low[None], high[None])[0], self.opening[index]

    def _windows(self, index: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Every frame `[B, F]` with its neighbours, of utterances from `low` to `high`."""
        around = index[..., None] + torch.arange(-2, 3, device=index.device)
        around = torch.maximum(around, low[:, None, None])
        return self.features[torch.minimum(around, high[:, None, None] - 1)].float()

    def to(self, device: torch.device | str) -> Script:
        """The same on another device."""
        return Script(**{name: value.to(device) for name, value in vars(self).items()})

    def save(self, path: Path) -> None:
        """Write as an .npz file."""
        with whole(path) as part:
            np.savez(part, **{name: value.numpy() for name, value in vars(self).items()})

    @staticmethod
    def load(path: Path) -> Script:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return Script(**{name: torch.from_numpy(stored[name]) for name in stored.files})


def write_script(utterances: Iterable[Utterance]) -> Script:
    """Features and openings of utterances."""
    heard, opening, start = [], [], [0]
    for utterance in utterances:
        heard.append(mel_features(utterance.waveform).half())
        opening.append(mouth_opening(utterance.waveform))
        start.append(start[-1] + len(opening[-1]))
    return Script(torch.cat(heard), torch.cat(opening), torch.tensor(start))
