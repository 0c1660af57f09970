"""The sizes of a Hallo generator: the published ones by default, any smaller ones by argument."""

from __future__ import annotations

import dataclasses
import json

from silencer_core.checks import check_number, check_whole, check_wholes
from silencer_core.errors import SilencerError

LARGEST = 65_536  # width, number of tokens or blocks, ...
MOST_LEVELS = 8
LIMITS = {"layers": 16, "size": 16_384, "fps": 1000, "steps": 1000}


@dataclasses.dataclass(frozen=True)
class HalloConfig:
    """Every number that shapes the networks, their inputs and their default sampling.

    The defaults are those of the published checkpoint (fudan-generative-vision/hallo, 2.42 G
    values at 512 px). A smaller generator is the same classes with smaller numbers.

    Raises:
        SilencerError: if two numbers cannot go together; the message names both.
    """

    # the two UNets (Stable Diffusion 1.5's layout)
    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers: int = 2  # per block; one more in the up blocks
    heads: int = 8
    groups: int = 32  # GroupNorm of resnets and transformers
    cross_dim: int = 768  # width of a face token
    # motion modules
    motion_heads: int = 8
    motion_groups: int = 32
    motion_positions: int = 32  # rows of the position table: motion frames + clip frames at most
    # face
    face_dim: int = 512  # identity embedding
    face_tokens: int = 4
    face_locator_channels: tuple[int, ...] = (16, 32, 64, 128)
    # audio
    audio_blocks: int = 12  # feature layers per frame
    audio_channels: int = 768  # width of one feature layer
    audio_hidden: int = 512  # inside the audio projection
    audio_tokens: int = 32
    audio_dim: int = 768  # width of an audio token
    audio_margin: int = 2  # frames on either side in a window
    # VAE
    vae_channels: tuple[int, ...] = (128, 256, 512, 512)
    vae_layers: int = 2
    vae_groups: int = 32
    latent_channels: int = 4
    latent_scale: float = 0.18215
    vae_mid_attention: bool = True
    # pictures and sampling
    size: int = 512  # side of portrait and frames, pixels
    fps: int = 25
    clip_frames: int = 16
    motion_frames: int = 2
    steps: int = 40
    guidance: float = 3.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # JSON gives lists
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
        self._check_numbers()
        self._divides("channels", self.channels, "heads", self.heads)
        self._divides("channels", self.channels, "groups", self.groups)
        self._divides("channels", self.channels, "motion_heads", self.motion_heads)
        self._divides("channels", self.channels, "motion_groups", self.motion_groups)
        self._divides("vae_channels", self.vae_channels, "vae_groups", self.vae_groups)
        self._divides("size", (self.size,), "VAE factor", self.vae_factor)
        self._divides("latent side", (self.latent_size,), "2^levels", 2 ** (self.levels - 1))
        if len(self.face_locator_channels) != len(self.vae_channels):
            raise SilencerError(
                f"face_locator_channels {self.face_locator_channels} must have as many entries as "
                f"vae_channels {self.vae_channels}, so that both shrink the picture equally."
            )
        if self.motion_frames + self.clip_frames > self.motion_positions:
            raise SilencerError(
                f"motion_frames {self.motion_frames} + clip_frames {self.clip_frames} exceed "
                f"motion_positions {self.motion_positions}: shorten the clip."
            )

    def _check_numbers(self) -> None:
        """Before anything is built of them: a file could ask for a billion layers."""
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if isinstance(field.default, tuple):
                check_wholes(name, value, 1, LARGEST, longest=MOST_LEVELS)
            elif isinstance(field.default, float):
                check_number(name, value, 0)
            elif not isinstance(field.default, bool):
                low = 0 if name in ("audio_margin", "motion_frames") else 1
                check_whole(name, value, low, LIMITS.get(name, LARGEST))

    @staticmethod
    def _divides(name: str, values: tuple[int, ...], by: str, divisor: int) -> None:
        if any(value % divisor for value in values):
            raise SilencerError(f"{name} {values} must be divisible by {by} {divisor}.")

    @property
    def levels(self) -> int:
        """Resolutions of the UNets; also the number of mask levels."""
        return len(self.channels)

    @property
    def vae_factor(self) -> int:
        """Picture side / latent side."""
        return 2 ** (len(self.vae_channels) - 1)

    @property
    def latent_size(self) -> int:
        """Side of a latent."""
        return self.size // self.vae_factor

    @property
    def window(self) -> int:
        """Audio frames that one video frame sees."""
        return 2 * self.audio_margin + 1

    def to_json(self) -> str:
        """The configuration as one JSON object, the form stored beside or inside weights."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> HalloConfig:
        """The reverse of `to_json`. Unknown names raise a SilencerError that lists them."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SilencerError(
                f"the generator's configuration is not JSON ({error}); fetch it again."
            ) from None
        if not isinstance(values, dict):
            raise SilencerError(
                "the generator's configuration is no JSON object of named entries; fetch it again."
            )
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise SilencerError(
                f"the generator's configuration has unknown entries {unknown}: it was written by "
                "a newer version; update Silencer."
            )
        return cls(**values)
