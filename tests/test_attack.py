"""The whole way: a photo and a recording through a generator loaded from its published layout."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from silencer_core.audio import Speech, read_speech
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.sampling import animate
from silencer_core.video import write_video

RECORDING = Path(__file__).resolve().parents[1] / "../shared/data/speech/1.wav"


@pytest.fixture
def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()).permute(2, 0, 1).float() / 255


@pytest.mark.skipif(not RECORDING.exists(), reason=f"no recording at {RECORDING}")
def test_a_real_photo_says_real_speech(published, photo, tmp_path):
    generator = load_generator(published, dtype=torch.float32)
    portrait = generator.find_portrait(photo)
    recording = read_speech(RECORDING)
    speech = Speech(recording.waveform[: recording.sample_rate], recording.sample_rate)
    audio = generator.drive(speech)
    frames = list(animate(generator, portrait, audio, steps=2))
    write_video(tmp_path / "out.mp4", iter(frames), speech)

    with av.open(str(tmp_path / "out.mp4")) as video:
        assert "synthetic" in str(video.metadata).lower()
        assert len(list(video.decode(video=0))) == 25
    with av.open(str(tmp_path / "out.mp4")) as video:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in video.decode(audio=0)])
    assert np.abs(sound).max() > 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loaded_generators_pass_gradients_under_inference_mode(published, dtype):
    """A host that runs everything in inference mode can still protect."""
    with torch.inference_mode():
        generator = load_generator(published, device="cpu", dtype=dtype)
        with torch.inference_mode(False), torch.enable_grad():
            size = generator.config.size
            image = torch.zeros(1, 3, size, size).requires_grad_()
            (gradient,) = torch.autograd.grad(generator.encode(image).square().sum(), image)
    assert gradient.abs().max() > 0
