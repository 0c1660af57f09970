"""The script: utterances as features and mouth openings, and clips cut from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from silencer_core.audio import windows

from .mel import mel_features, mouth_opening
from .voices import Utterance


@dataclass(frozen=True)
class Script:
    """All utterances one after another.

    Attributes:
        windows: `[T, 5, 2, 40]` float16, windows that never reach into another utterance.
        opening: `[T]` float32, what each frame asks of the mouth.
        start: `[U + 1]`, first frame of each utterance, and T.
    """

    windows: Tensor
    opening: Tensor
    start: Tensor

    def clips(
        self, count: int, frames: int, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Cut clips at random.

        Returns:
            windows `[count, frames, 5, 2, 40]`; openings `[count, frames]`; openings of the two
            frames before `[count, 2]`; whether the clip begins its utterance `[count]`.
        """
        heard, opening, before, first = [], [], [], []
        while len(heard) < count:
            one = int(torch.randint(len(self.start) - 1, (), generator=random))
            low, high = int(self.start[one]), int(self.start[one + 1])
            if high - low < frames:
                continue
            at = int(torch.randint(low, high - frames + 1, (), generator=random))
            heard.append(self.windows[at : at + frames].float())
            opening.append(self.opening[at : at + frames])
            before.append(self.opening[[max(low, at - 2), max(low, at - 1)]])
            first.append(at == low)
        return torch.stack(heard), torch.stack(opening), torch.stack(before), torch.tensor(first)

    def save(self, path: Path) -> None:
        """Write as an .npz file."""
        part = path.with_suffix(".part.npz")
        np.savez(part, **{name: value.numpy() for name, value in vars(self).items()})
        part.replace(path)

    @staticmethod
    def load(path: Path) -> Script:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return Script(**{name: torch.from_numpy(stored[name]) for name in stored.files})


def write_script(utterances: Iterable[Utterance]) -> Script:
    """Features and openings of utterances."""
    heard, opening, start = [], [], [0]
    for utterance in utterances:
        heard.append(windows(mel_features(utterance.waveform)).half())
        opening.append(mouth_opening(utterance.waveform))
        start.append(start[-1] + len(opening[-1]))
    return Script(torch.cat(heard), torch.cat(opening), torch.tensor(start))
