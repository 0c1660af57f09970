"""Reading recordings, windows, and the audio encoder on small random weights."""

from __future__ import annotations

import json
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from silencer_core import audio
from silencer_core.audio import Speech, Wav2VecFeatures, load_wav2vec, read_speech
from silencer_core.errors import SilencerError

SPEECH = Path(__file__).parents[2] / "shared" / "data" / "speech"
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """A gliding tone `[T, channels]`, each channel at its own loudness."""
    time = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * (150 + 200 * time) * time)
    return np.stack([0.6 * wave / (1 + channel) for channel in range(channels)], axis=1)


def publish(folder: Path) -> Path:
    """Small random weights under the names and in the files of the published encoder."""
    torch.manual_seed(0)
    weights = Wav2Vec2ForCTC(Wav2Vec2Config(**TINY, vocab_size=5)).state_dict()
    del weights["wav2vec2.masked_spec_embed"]
    position = "wav2vec2.encoder.pos_conv_embed.conv"
    for new, old in {"original0": "weight_g", "original1": "weight_v"}.items():
        tensor = weights.pop(f"{position}.parametrizations.weight.{new}")
        weights[f"{position}.{old}"] = tensor
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(TINY))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return publish(tmp_path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Wav2VecFeatures:
    return Wav2VecFeatures(load_wav2vec(publish(tmp_path_factory.mktemp("wav2vec"))))


# ------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_rate_is_kept_and_resampled_to_the_exact_length(tmp_path, rate):
    file = tmp_path / "speech.wav"
    soundfile.write(file, tone(0.5, rate), rate)
    speech = read_speech(file)
    assert (speech.sample_rate, len(speech.waveform)) == (rate, round(0.5 * rate))
    assert len(speech.resampled(16_000)) == 8000


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_U8", 1e-2),
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "PCM_32", 1e-6),
        ("a.wav", "FLOAT", 1e-7),
        ("a.wav", "DOUBLE", 1e-7),
        ("a.flac", "PCM_24", 1e-6),
        ("a.ogg", "VORBIS", 0.1),
    ],
)
def test_formats_hold_the_waveform(tmp_path, name, subtype, error):
    wave = tone(0.3, 22050)
    soundfile.write(tmp_path / name, wave, 22050, subtype=subtype)
    waveform = read_speech(tmp_path / name).waveform
    assert waveform.dtype == torch.float32
    assert np.abs(waveform.numpy() - wave[:, 0]).max() < error


def test_mp3(tmp_path):
    file = tmp_path / "speech.mp3"
    soundfile.write(file, tone(1.0, 44100, 2), 44100, format="MP3")
    speech = read_speech(file)
    assert speech.seconds == pytest.approx(1.0, abs=0.1)
    assert speech.waveform.abs().max() > 0.3


@pytest.mark.parametrize("name", ["speech.m4a", "speech.mov", "speech.mkv"])
def test_aac_stereo_through_av(tmp_path, name):
    wave = tone(1.0, 44100, 2).astype(np.float32)
    with av.open(str(tmp_path / name), "w") as out:
        track = out.add_stream("aac", rate=44100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wave.T), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = 44100, 0
        out.mux(track.encode(frame) + track.encode(None))
    speech = read_speech(tmp_path / name)
    assert speech.sample_rate == 44100
    np.testing.assert_allclose(
        np.corrcoef(speech.waveform[:44100], wave.mean(axis=1)), 1, atol=0.02
    )


def test_channels_are_averaged(tmp_path):
    wave = tone(0.2, 16000, 3)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    waveform = read_speech(tmp_path / "a.wav").waveform.numpy()
    np.testing.assert_allclose(waveform, wave.mean(axis=1), atol=1e-6)


def test_peaks_above_one_are_scaled_down():
    assert Speech(torch.tensor([0.5, -2.0] * 1000), 16000).waveform.abs().max() == 1


def test_real_recording_equals_librosa():
    if not SPEECH.is_dir():
        pytest.skip(f"{SPEECH} is absent")
    waveform = read_speech(SPEECH / "1.wav").resampled(16_000)
    expected, _ = librosa.load(SPEECH / "1.wav", sr=16_000)
    np.testing.assert_allclose(waveform.numpy(), expected, atol=1e-6)


def refusal(path: Path) -> str:
    with pytest.raises(SilencerError) as caught:
        read_speech(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_refuses_a_missing_file(tmp_path):
    assert "no such" in refusal(tmp_path / "nothing.wav")


@pytest.mark.parametrize("name", ["speech.wav", "speech.txt", "speech.raw", "speech"])
def test_refuses_what_is_not_sound(tmp_path, name):
    (tmp_path / name).write_text("these are words, not sound\n" * 50)
    assert "sound" in refusal(tmp_path / name)


def test_refuses_an_empty_file(tmp_path):
    (tmp_path / "a.wav").touch()
    assert "not a sound file" in refusal(tmp_path / "a.wav")


def test_refuses_a_picture(tmp_path):
    from PIL import Image

    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    assert "is not a sound file" in refusal(tmp_path / "a.png")


def test_refuses_no_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 1)), 16000)
    assert "empty" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_what_is_not_a_number(tmp_path, value):
    wave = tone(0.2, 16000)
    wave[7] = value
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    assert "holds 1 samples that are not finite" in refusal(tmp_path / "a.wav")


def test_refuses_less_than_a_video_frame(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(0.03, 16000), 16000)
    assert "0.0300 s" in refusal(tmp_path / "a.wav")


def test_refuses_two_channels_in_memory():
    with pytest.raises(SilencerError, match=r"\[2, 1000\]"):
        Speech(torch.zeros(2, 1000), 16000)


# ------------------------------------------------------------------------------ features


def test_windows_repeat_the_ends():
    features = torch.arange(4.0).reshape(4, 1, 1)
    neighbours = audio.windows(features, margin=2)[..., 0, 0]
    assert neighbours[0].tolist() == [0, 0, 0, 1, 2]
    assert neighbours[3].tolist() == [1, 2, 3, 3, 3]


def test_normalised_like_the_published_extractor():
    waveform = torch.from_numpy(tone(0.3, 16000)[:, 0] * 1e-3).float() + 0.01
    expected = Wav2Vec2FeatureExtractor()(waveform.numpy(), sampling_rate=16000).input_values[0]
    np.testing.assert_allclose(audio.normalised(waveform).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("seconds", "frames", "rows"),
    [(0.04, 1, 16), (0.1, 3, 16), (0.64, 16, 16), (0.65, 17, 32), (60.0, 1500, 1504)],
)
def test_one_row_per_frame_in_whole_clips(tiny, seconds, frames, rows):
    driving = tiny(Speech(torch.from_numpy(tone(seconds, 16000)[:, 0]), 16000))
    assert driving.frames == frames
    assert driving.features.shape == (rows, 3, 16)
    assert driving.features.dtype == torch.float32
    assert driving.features.isfinite().all()


def test_frames_round_as_published(tiny):
    """ceil(4480 / 16000 * 25) is 8 in floating point, although 0.28 s are 7 frames."""
    assert tiny(Speech(torch.zeros(4480), 16000)).frames == 8


def test_silence_is_allowed(tiny):
    assert tiny(Speech(torch.zeros(8000), 16000)).features.isfinite().all()


def test_last_features_are_the_encoders_output(tiny):
    """At the convolutions' own rate nothing is interpolated: transformers' forward is the test."""
    waveform = audio.normalised(torch.from_numpy(tone(1.0, 16000)[:, 0]).float())
    expected = tiny.model(waveform[None]).last_hidden_state[0]
    torch.testing.assert_close(tiny.features(waveform, len(expected))[:, -1], expected)


def test_same_recording_same_features(tiny):
    speech = Speech(torch.from_numpy(tone(0.5, 16000)[:, 0]), 16000)
    assert torch.equal(tiny(speech).features, tiny(speech).features)


def test_encoder_is_frozen_and_without_chance(tiny):
    assert not tiny.model.training
    assert not any(parameter.requires_grad for parameter in tiny.model.parameters())


# ------------------------------------------------------------------------------- loading


def test_published_names_give_the_same_model(folder):
    torch.manual_seed(0)
    original = Wav2Vec2ForCTC(Wav2Vec2Config(**TINY, vocab_size=5)).eval()
    waveform = torch.from_numpy(tone(0.5, 16000)[:, 0]).float()[None]
    with torch.no_grad():
        expected = original.wav2vec2(waveform).last_hidden_state
    torch.testing.assert_close(load_wav2vec(folder)(waveform).last_hidden_state, expected)


def test_half_precision_weights_become_float32(folder):
    halves = {key: value.half() for key, value in load_wav2vec(folder).state_dict().items()}
    save_file(halves, folder / "model.safetensors")
    assert load_wav2vec(folder).dtype == torch.float32


def test_loads_a_bin_file(folder):
    weights = load_wav2vec(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    loaded = load_wav2vec(folder).state_dict()
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)


def load_error(folder: Path) -> str:
    with pytest.raises(SilencerError) as caught:
        load_wav2vec(folder)
    return str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"{folder / name}: no such" in load_error(folder)


@pytest.mark.parametrize("content", ["{", "[]", "\0", '{"hidden_size": "wide"}'])
def test_damaged_config_is_named(folder, content):
    (folder / "config.json").write_text(content)
    assert "config.json" in load_error(folder)


def test_other_weights_are_refused_by_name(folder):
    weights = dict(load_wav2vec(folder).state_dict())
    weights["encoder.layers.1.bias"] = weights.pop("encoder.layer_norm.bias")
    save_file(weights, folder / "model.safetensors")
    message = load_error(folder)
    assert "encoder.layer_norm.bias" in message
    assert "encoder.layers.1.bias" in message
