"""Speech in: reading a recording, and the features that drive the mouth.

The photo, the generator and the video file have their own modules; nothing here knows them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from silencer_core.checkpoint import load_into
from silencer_core.errors import SilencerError
from silencer_core.files import opened

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

WAV2VEC_RATE = 16_000
SHORTEST_SECONDS = 0.04  # one video frame at 25 per second
LONGEST_SECONDS = 3600
MOST_VALUES = 500_000_000  # samples times channels, 2 GB
LOWEST_RATE, HIGHEST_RATE = 1000, 1_000_000
# What FFmpeg may open: this file, as one of the containers that hold recordings; not playlists,
# which name other files, nor devices.
_ONLY_THIS_FILE = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mp3,aac,flac,ogg,wav,w64,aiff,caf,asf,flv,mpegts,mpeg,"
    "amr,au,ac3,eac3,opus,wv,ape,dsf,tta,mxf,rm,gif,3gp",
}
_NOT_THE_ENCODER = ("lm_head.", "quantizer.", "project", "classifier.", "masked_spec_embed")


@dataclass(frozen=True)
class Speech:
    """A recording: one channel at the rate at which it was made.

    Attributes:
        waveform: float32 `[T]` on the CPU, within -1..1. Other float types are converted, and
            a recording whose peak exceeds 1 is scaled down to 1.
        sample_rate: samples per second.

    Raises:
        SilencerError: if the waveform is not one channel, is empty or shorter than 0.04 s, or
            holds values that are not numbers; or if the rate cannot be one. Silence is allowed.
    """

    waveform: Tensor
    sample_rate: int

    def __post_init__(self) -> None:
        waveform = self.waveform.detach().to("cpu", torch.float32)
        if waveform.ndim != 1:
            raise SilencerError(
                f"the sound has shape {list(waveform.shape)}; one channel [samples] is needed."
            )
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            raise SilencerError(
                f"the sound's rate is {self.sample_rate} Hz; it must lie between {LOWEST_RATE} and "
                f"{HIGHEST_RATE}. Export it again with 16000 or more."
            )
        if not len(waveform):
            raise SilencerError("the sound is empty: it holds no samples. Record it again.")
        if len(waveform) < SHORTEST_SECONDS * self.sample_rate:
            raise SilencerError(
                f"the sound lasts {len(waveform) / self.sample_rate:.4f} s; "
                f"at least {SHORTEST_SECONDS} s (one video frame) are needed."
            )
        bad = int((~waveform.isfinite()).sum())
        if bad:
            raise SilencerError(
                f"the sound holds {bad} samples that are not finite numbers (NaN or infinity). "
                "Export it again from the program that made it."
            )
        waveform = waveform / waveform.abs().max().clamp_min(1.0)
        object.__setattr__(self, "waveform", waveform)

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.waveform) / self.sample_rate

    def resampled(self, rate: int) -> Tensor:
        """The waveform at another rate: float32 `[ceil(T * rate / sample_rate)]`."""
        if rate == self.sample_rate:
            return self.waveform
        import librosa

        return torch.from_numpy(
            librosa.resample(self.waveform.numpy(), orig_sr=self.sample_rate, target_sr=rate)
        )


def read_speech(path: str | Path) -> Speech:
    """Read a sound file, or the first sound track of a video file, as one channel.

    WAV (8 to 32 bit, float), FLAC, OGG and MP3 are read by librosa through libsndfile, everything
    else (M4A, MP4, WebM, ...) by PyAV. Channels are averaged; the rate is kept. At most an hour.

    Raises:
        SilencerError: if the file is missing, holds no sound, or `Speech` refuses what it holds.
    """
    path = Path(path)
    with opened(path, "sound"):
        try:
            channels, rate = _read_with_libsndfile(path) or _read_with_av(path)
            return Speech(torch.from_numpy(channels.mean(axis=0, dtype=np.float32)), rate)
        except SilencerError as error:
            raise SilencerError(f"{path}: {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # each decoder has its own ways to fail
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SilencerError(
                f"{path}: the sound is damaged or cut short ({reason}); get a whole copy."
            ) from error


def _read_with_libsndfile(path: Path) -> tuple[np.ndarray, int] | None:
    """float32 `[channels, T]` and rate, or None if libsndfile does not know the format."""
    import librosa
    import soundfile

    try:  # an open SoundFile keeps librosa from calling other decoders of its own
        sound = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        return None
    with sound:
        if sound.format == "MP3" and not _begins_like_mp3(path):
            return None  # guessed from the name, or from a sync word somewhere inside
        _check_length(sound.frames, sound.samplerate, sound.channels)
        waveform, rate = librosa.load(sound, sr=None, mono=False)
    return np.atleast_2d(waveform), int(rate)


def _begins_like_mp3(path: Path) -> bool:
    """Whether a tag or a frame of an MP3 comes first."""
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def _check_length(samples: int, rate: int, channels: int) -> None:
    """Refuse what would fill the memory, by what the file's head says."""
    if samples > LONGEST_SECONDS * rate or samples * channels > MOST_VALUES:
        raise SilencerError(
            f"the sound lasts {samples / max(rate, 1) / 60:.0f} minutes with {channels} channels; "
            f"at most {LONGEST_SECONDS // 60} minutes are read. Cut out the part with the speech."
        )


def _read_with_av(path: Path) -> tuple[np.ndarray, int]:
    """float32 `[channels, T]` and rate of the first sound track."""
    import av

    try:
        with av.open(str(path), options=_ONLY_THIS_FILE) as container:
            if not container.streams.audio:
                raise SilencerError("holds no sound. Give a recording of speech.")
            track = container.streams.audio[0]
            planar = av.AudioResampler(format="fltp")
            decoded, samples, rate = [], 0, track.rate
            for frame in container.decode(track):
                for part in planar.resample(frame):
                    decoded.append(part.to_ndarray())
                    samples += decoded[-1].shape[1]
                    _check_length(samples, rate, len(decoded[-1]))
    except av.error.FFmpegError as error:
        raise SilencerError(
            f"is not a sound file that can be read ({error.strerror}). "
            "Give WAV, FLAC, OGG, MP3, M4A or a video with sound."
        ) from error
    return np.concatenate(decoded or [np.zeros((1, 0), np.float32)], axis=1), rate


@dataclass(frozen=True)
class DrivingAudio:
    """What a recording tells a generator, one row per video frame.

    Attributes:
        features: float32 `[L, blocks, channels]` on the CPU; L fills whole clips.
        frames: video frames that the recording lasts, at most L; the rest is padding.
        speech: the recording itself, for the video's sound track.
    """

    features: Tensor
    frames: int
    speech: Speech


def windows(features: Tensor, margin: int = 2) -> Tensor:
    """Every frame's features together with its neighbours'.

    Args:
        features: `[L, blocks, channels]`.
        margin: neighbours on each side; beyond the ends the first or last frame is repeated.

    Returns:
        `[L, 2 * margin + 1, blocks, channels]`, entry i holding frames i - margin .. i + margin.
    """
    centres = torch.arange(len(features), device=features.device)
    offsets = torch.arange(-margin, margin + 1, device=features.device)
    return features[(centres[:, None] + offsets).clamp(0, len(features) - 1)]


class Wav2VecFeatures:
    """wav2vec 2.0's layer outputs at the video's rate, as Hallo takes them.

    Zero mean and unit variance at 16 kHz; zero samples appended to whole clips; convolutional
    features (about 50 Hz) interpolated to the video's rate *before* the feature projection and the
    transformer; the outputs of all transformer layers stacked.

    Source: fudan-generative-vision/hallo, `hallo/datasets/audio_processor.py` and
    `hallo/models/wav2vec.py`. Vocal separation, which comes first there, is left out: speech is
    expected to be clean.

    Args:
        model: from `load_wav2vec`; runs where and in the precision in which it lies.
        clip_length: video frames per clip.
        fps: video frames per second.
    """

    def __init__(self, model: Wav2Vec2Model, clip_length: int = 16, fps: int = 25) -> None:
        self.model = model
        self.clip_length = clip_length
        self.fps = fps

    def __call__(self, speech: Speech) -> DrivingAudio:
        """Features of a recording. The same recording gives the same features, bit for bit."""
        waveform = normalised(speech.resampled(WAV2VEC_RATE))
        # The published expression. Its rounding adds a frame at some whole lengths, such as 0.28 s.
        frames = math.ceil(len(waveform) / WAV2VEC_RATE * self.fps)
        missing = -frames % self.clip_length
        waveform = F.pad(waveform, (0, missing * (WAV2VEC_RATE // self.fps)))
        return DrivingAudio(self.features(waveform, frames + missing), frames, speech)

    @torch.no_grad()
    def features(self, waveform: Tensor, frames: int) -> Tensor:
        """Layer outputs `[frames, layers, channels]`, float32 on the CPU.

        Args:
            waveform: normalised, 16 kHz, `[T]`.
            frames: rows wanted.
        """
        model = self.model
        waveform = waveform.to(model.device, model.dtype)
        convolved = model.feature_extractor(waveform[None])
        convolved = F.interpolate(convolved, size=frames, mode="linear", align_corners=True)
        tokens, _ = model.feature_projection(convolved.mT)
        with _outputs_of(model.encoder.layers) as outputs:
            outputs[-1] = model.encoder(tokens).last_hidden_state
        return torch.cat(outputs).transpose(0, 1).float().cpu()


def normalised(waveform: Tensor) -> Tensor:
    """Zero mean and unit variance, as `transformers.Wav2Vec2FeatureExtractor` does it."""
    return (waveform - waveform.mean()) / (waveform.var(unbiased=False) + 1e-7).sqrt()


@contextmanager
def _outputs_of(layers: nn.ModuleList) -> Iterator[list[Tensor]]:
    """A list that fills with what each layer returns: the encoder alone returns only the last."""
    outputs: list[Tensor] = []

    def record(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_hook(record).remove)
        yield outputs


def load_wav2vec(folder: str | Path, device: torch.device | str = "cpu") -> Wav2Vec2Model:
    """The audio encoder in a folder as published (facebook/wav2vec2-base-960h), in float32.

    Reads `config.json` and `model.safetensors`, or else `pytorch_model.bin` (tensors only, no
    code). Nothing is downloaded.

    Raises:
        SilencerError: if a file is missing or damaged, or keys or shapes are not those that
            `config.json` asks for; the message names the file and the first differences.
    """
    folder = Path(folder)
    model = empty_wav2vec(_read_config(folder / "config.json"))
    weights = folder / "model.safetensors"
    if not weights.exists() and (folder / "pytorch_model.bin").exists():
        weights = folder / "pytorch_model.bin"
    load_into(model, weights, rename=wav2vec_name, dtype=torch.float32, device=device)
    return model


def empty_wav2vec(config: Mapping[str, Any]) -> Wav2Vec2Model:
    """A frozen wav2vec 2.0 on the meta device, to be filled by `checkpoint.load_into`.

    No dropout, no layer drop, no masking, no gradients into the weights.

    Args:
        config: the entries of the published `config.json`.

    Raises:
        SilencerError: if no model can be built from these entries.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    # Masking is for training only, and its vector is missing from the published file.
    no_masking = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "output_attentions": False}
    try:
        with torch.inference_mode(False), torch.device("meta"):
            model = Wav2Vec2Model(Wav2Vec2Config(**{**config, **no_masking}))
    except Exception as error:  # each version of transformers has its own
        reason = " ".join(str(error).split())
        raise SilencerError(f"wav2vec's config.json is not usable: {reason}") from error
    return model.eval().requires_grad_(False)


def wav2vec_name(key: str) -> str | None:
    """Today's name in `Wav2Vec2Model` of a published tensor; None for one that is not needed.

    The prefix `wav2vec2.` goes, the heads of training and the masking vector are left out, and the
    positional convolution's `weight_g`, `weight_v` become its parametrization.
    """
    key = key.removeprefix("wav2vec2.")
    if key.startswith(_NOT_THE_ENCODER):
        return None
    return key.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
        "conv.weight_v", "conv.parametrizations.weight.original1"
    )


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SilencerError(
            f"{file}: no such file. It belongs to wav2vec2-base-960h, "
            "https://huggingface.co/facebook/wav2vec2-base-960h"
        ) from error
    except (OSError, ValueError) as error:
        raise SilencerError(f"{file}: cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict):
        raise SilencerError(f"{file}: holds no object of entries; fetch it again.")
    return config
