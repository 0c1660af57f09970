"""What is done to every photo of a batch, as values that travel to any worker."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from silencer_core import __version__
from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.files import opened
from silencer_core.generators.mini.weights import WEIGHTS
from silencer_core.models.folder import look
from silencer_core.presets import Preset
from silencer_core.protect import Faces
from silencer_core.voices import default_voices

_BLOCK = 2**20


@dataclass(frozen=True)
class Recipe:
    """Settings of a batch.

    Attributes:
        how: the preset.
        generator: folder or file to protect against; None for the built-in one.
        voices: what the photos shall not follow; by default those of the package.
        faces: as for `protect`.
        seed: of every photo: a result depends on its photo and the recipe, on nothing else.
        device: where workers compute; None for the best that each finds.
    """

    how: Preset
    generator: str | None = None
    voices: tuple[Speech, ...] = dataclasses.field(default_factory=lambda: tuple(default_voices()))
    faces: Faces = "largest"
    seed: int = 0
    device: str | None = None

    def settings(self) -> dict:
        """Everything that a result depends on besides its photo, as plain values.

        Raises:
            SilencerError: the generator's files cannot be read.
        """
        return {
            "silencer": __version__,
            "preset": dataclasses.asdict(self.how),
            "faces": self.faces,
            "seed": self.seed,
            "voices": [_digest_of(voice) for voice in self.voices],
            "generator": digest_of_generator(self.generator),
        }


def digest_of_generator(path: str | None) -> str:
    """Of the content of every file that a generator is loaded from.

    Raises:
        SilencerError: a file is missing or cannot be read.
    """
    if path is None:
        return digest_of_files([WEIGHTS])
    if Path(path).is_file():
        return digest_of_files([Path(path)])
    found = look(path)
    files = [value for value in dataclasses.astuple(found) if value is not None]
    files += sorted(found.faces.glob("*.onnx")) if found.faces else []
    chosen = [file for file in files if file.is_file()]
    if not chosen:
        raise SilencerError(f"{path}: holds no generator; see `silencer models check {path}`.")
    return digest_of_files(chosen)


def digest_of_files(files: Iterable[Path]) -> str:
    """SHA-256 over the files' own digests, in order."""
    total = hashlib.sha256()
    for path in files:
        one = hashlib.sha256()
        with opened(path, "weight") as file:
            while block := file.read(_BLOCK):
                one.update(block)
        total.update(one.digest())
    return total.hexdigest()


def _digest_of(speech: Speech) -> str:
    digest = hashlib.sha256(str(speech.sample_rate).encode())
    digest.update(speech.waveform.numpy().tobytes())
    return digest.hexdigest()
