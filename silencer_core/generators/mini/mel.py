"""What the small generator hears, and how far a mouth opens for it.

Both come from one short-time spectrum, twice per video frame. Levels count relative to the
recording's own speech level and noise floor, so that a quiet recording drives the mouth as a loud
one does; the opening is a fixed function of what the network sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.audio import DrivingAudio, Speech

RATE = 16_000
FPS = 25
BLOCKS = 2  # spectra per video frame
BANDS = 40  # mel bands
WINDOW = 640  # samples of a spectrum
HOP = RATE // (FPS * BLOCKS)
SILENT_DB = -75.0  # of full scale: recordings below are silence
LOUDEST_SPAN, LEAST_SPAN = 26.0, 8.0  # dB between closed and open
SMOOTHING = (0.5, 0.3, 0.2)  # this frame, the one before, the one before that


@dataclass(frozen=True)
class Level:
    """Decibels of the jaw band at which the mouth is closed and open in one recording."""

    closed: float
    open: float


class MelFeatures:
    """Log-mel frames in place of wav2vec layers: Speech -> DrivingAudio.

    Features `[L, 2, 40]`: two spectra per video frame, 0 at the level where the mouth is shut, 1
    at the level where it is open, within -1..2; padding and silence are -1.

    Args:
        clip_length: video frames per clip; L is a multiple of it.
    """

    def __init__(self, clip_length: int = 16) -> None:
        self.clip_length = clip_length

    def __call__(self, speech: Speech) -> DrivingAudio:
        """Features of a recording of any rate and level."""
        waveform = speech.resampled(RATE)
        frames = frame_count(len(waveform))
        features = mel_features(waveform)
        missing = -frames % self.clip_length
        features = F.pad(features, (0, 0, 0, 0, 0, missing), value=-1.0)
        return DrivingAudio(features, frames, speech)


def frame_count(samples: int) -> int:
    """Video frames that cover so many samples at 16 kHz."""
    return max(1, math.ceil(samples * FPS / RATE))


def mel_features(waveform: Tensor) -> Tensor:
    """Features `[frames, 2, 40]` of a waveform `[T]` at 16 kHz, within -1..2."""
    power = spectrum(waveform)
    level = speech_level(jaw_decibels(power))
    if level is None:
        return torch.full((len(power), BLOCKS, BANDS), -1.0)
    mel = 10 * (power @ mel_filters().T + 1e-12).log10()
    return ((mel - level.closed) / (level.open - level.closed)).clamp(-1, 2)


def mouth_opening(waveform: Tensor) -> Tensor:
    """The rule from audio to mouth: opening `[frames]` in 0..1 at 25 per second.

    The energy from 250 to 1100 Hz, weighted towards the first formant of open vowels, in decibels
    between the recording's closed and open level, smoothed over this and the last two frames.
    """
    decibels = jaw_decibels(spectrum(waveform))
    level = speech_level(decibels)
    if level is None:
        return torch.zeros(len(decibels))
    raw = ((decibels - level.closed) / (level.open - level.closed)).clamp(0, 1)
    padded = F.pad(raw, (len(SMOOTHING) - 1, 0))
    return sum(
        part * padded[len(SMOOTHING) - 1 - k : len(padded) - k] for k, part in enumerate(SMOOTHING)
    )


def spectrum(waveform: Tensor) -> Tensor:
    """Power spectra `[frames, 2, WINDOW / 2 + 1]`, each in the middle of its half frame.

    A full-scale sine has power 1 in its bin.
    """
    frames = frame_count(len(waveform))
    wanted = frames * BLOCKS * HOP
    padded = F.pad(waveform, (WINDOW // 2, wanted - len(waveform) + WINDOW // 2))
    pieces = padded[HOP // 2 :].unfold(0, WINDOW, HOP)[: frames * BLOCKS]
    window = torch.hann_window(WINDOW)
    spectra = torch.fft.rfft(pieces * window).abs().square() * (2 / window.sum()) ** 2
    return spectra.view(frames, BLOCKS, -1)


def jaw_decibels(power: Tensor) -> Tensor:
    """Energy `[frames]` of the jaw band in decibels of full scale."""
    return 10 * ((power * jaw_weights()).sum(-1).mean(-1) + 1e-12).log10()


def speech_level(decibels: Tensor) -> Level | None:
    """Closed and open level of a recording; None for silence."""
    if decibels.max() < SILENT_DB:
        return None
    heard = decibels[decibels > decibels.max() - 45]
    top = float(heard.quantile(0.92))
    floor = float(decibels.quantile(0.08))
    closed = max(top - LOUDEST_SPAN, min(floor + 4, top - LEAST_SPAN))
    return Level(closed, top)


@lru_cache(maxsize=1)
def jaw_weights() -> Tensor:
    """Weight of each spectral bin in the opening: 0 below 250 Hz, 1 at 600 Hz, 0 at 1100 Hz."""
    hertz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    weights = np.interp(hertz, (240, 250, 600, 900, 1100), (0.0, 0.25, 1.0, 1.0, 0.0))
    return torch.from_numpy(weights).float()


@lru_cache(maxsize=1)
def mel_filters() -> Tensor:
    """`[BANDS, WINDOW / 2 + 1]`, peaks at 1."""
    import librosa

    filters = librosa.filters.mel(
        sr=RATE, n_fft=WINDOW, n_mels=BANDS, fmin=80, fmax=7600, norm=None
    )
    return torch.from_numpy(filters).float()
