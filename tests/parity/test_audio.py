"""Audio features and windows against the reference's numbers."""

from __future__ import annotations

import pytest
import torch

from silencer_core.audio import Speech, Wav2VecFeatures, build_wav2vec, normalised, windows

ABSOLUTE = {"rtol": 0, "atol": 1e-5}


def some(tensors, *names):
    """Tensors of a file; sets may leave some out."""
    if missing := [name for name in names if name not in tensors]:
        pytest.skip(f"this set has no {', '.join(missing)}")
    return [tensors[name] for name in names]


@pytest.fixture(scope="module")
def io(load):
    return load("wav2vec_io.safetensors")


@pytest.fixture(scope="module")
def encoder(meta, load):
    weights = load("wav2vec.safetensors")
    if "wav2vec_config" not in meta.get("pre", {}) or not weights:
        pytest.skip("this set has no audio encoder")
    pre = meta["pre"]
    model = build_wav2vec(pre["wav2vec_config"], weights)
    return Wav2VecFeatures(model, clip_length=pre["clip_length"], fps=pre["fps"])


def test_waveform_is_normalised_and_padded(io):
    waveform, expected = some(io, "waveform_16k", "normalized_padded")
    padding = expected[len(waveform) :]
    torch.testing.assert_close(normalised(waveform), expected[: len(waveform)], **ABSOLUTE)
    assert not padding.any()


def test_positional_convolution(encoder, io):
    (expected,) = some(io, "pos_conv_effective_weight")
    weight = encoder.model.encoder.pos_conv_embed.conv.weight
    torch.testing.assert_close(weight, expected, **ABSOLUTE)


def test_features_of_the_waveform(encoder, io, meta):
    waveform, expected = some(io, "waveform_16k", "audio_emb")
    driving = encoder(Speech(waveform, meta["pre"]["sample_rate"]))
    torch.testing.assert_close(driving.features, expected, **ABSOLUTE)
    assert driving.frames == meta["pre"]["audio_length"]


def test_features_of_the_normalised_waveform(encoder, io, meta):
    waveform, expected = some(io, "normalized_padded", "audio_emb")
    features = encoder.features(waveform, meta["pre"]["seq_len"])
    torch.testing.assert_close(features, expected, **ABSOLUTE)


def test_last_layer(encoder, io, meta):
    waveform, expected = some(io, "normalized_padded", "last_hidden_state")
    features = encoder.features(waveform, meta["pre"]["seq_len"])
    torch.testing.assert_close(features[:, -1], expected, **ABSOLUTE)


def test_windows_of_the_features(io):
    features, expected = some(io, "audio_emb", "windows")
    assert torch.equal(windows(features), expected)


def test_windows_of_the_networks_input(load):
    (features,) = some(load("inputs.safetensors"), "audio_feats")
    (expected,) = some(load("outputs.safetensors"), "audio.windows")
    assert torch.equal(windows(features), expected)
