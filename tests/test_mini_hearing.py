"""What the small generator hears, and the rule from sound to mouth."""

import math

import pytest
import torch

from silencer_core.audio import Speech
from silencer_core.generators.mini.mel import (
    BANDS,
    BLOCKS,
    RATE,
    MelFeatures,
    mel_features,
    mouth_opening,
)


def syllables(hertz: float, seconds: float = 2.0) -> torch.Tensor:
    """A tone switched on and off four times a second."""
    time = torch.arange(int(seconds * RATE)) / RATE
    gate = ((time * 4) % 1 < 0.5).float()
    return 0.5 * gate * torch.sin(2 * math.pi * hertz * time)


def test_mouth_follows_the_tone():
    opening = mouth_opening(syllables(600))
    time = (torch.arange(len(opening)) + 0.5) / 25
    loud = (time * 4) % 1 < 0.5
    assert opening[loud].mean() > opening[~loud].mean() + 0.3
    assert opening.min() >= 0
    assert opening.max() <= 1


@pytest.mark.parametrize("gain", [0.003, 0.05, 1.9])
def test_level_of_the_recording_does_not_count(gain):
    sound = syllables(700) + 0.001 * torch.randn(2 * RATE, generator=torch.manual_seed(0))
    assert torch.allclose(mouth_opening(gain * sound), mouth_opening(sound), atol=1e-2)
    assert torch.allclose(mel_features(gain * sound), mel_features(sound), atol=1e-2)


def test_silence_shuts_the_mouth():
    silence = torch.zeros(RATE)
    assert mouth_opening(silence).eq(0).all()
    assert mel_features(silence).eq(-1).all()


def test_hiss_opens_less_than_a_vowel():
    both = torch.cat([syllables(700, 1.0), torch.zeros(RATE // 2), syllables(5000, 1.0)])
    opening = mouth_opening(both)
    assert opening[:25].mean() > opening[38:].mean() + 0.3


@pytest.mark.parametrize("seconds, frames", [(0.04, 1), (1.0, 25), (1.01, 26)])
def test_one_row_per_video_frame(seconds, frames):
    audio = MelFeatures(clip_length=16)(Speech(syllables(500, seconds), RATE))
    assert audio.frames == frames
    assert len(audio.features) % 16 == 0
    assert audio.features.shape[1:] == (BLOCKS, BANDS)
    assert audio.features[frames:].eq(-1).all()


def test_other_sample_rates_say_the_same():
    high = torch.sin(2 * math.pi * 600 * torch.arange(44_100) / 44_100) * 0.3
    low = torch.sin(2 * math.pi * 600 * torch.arange(RATE) / RATE) * 0.3
    hear = MelFeatures()
    a, b = hear(Speech(high, 44_100)).features[2:20], hear(Speech(low, RATE)).features[2:20]
    assert (a - b).abs().max() < 0.1


def test_a_window_is_all_that_an_opening_depends_on():
    """Frames outside the window may change as long as the recording's levels stay."""
    sound = syllables(600, 4.0)
    changed = sound.clone()
    changed[3 * RATE :] = sound[3 * RATE :].flip(0)
    assert torch.allclose(mouth_opening(sound)[:74], mouth_opening(changed)[:74], atol=1e-3)
