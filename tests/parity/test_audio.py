"""Audio features and windows against the reference's numbers."""

from __future__ import annotations

import functools

import pytest
import torch

from silencer_core.audio import (
    Speech,
    Wav2VecFeatures,
    empty_wav2vec,
    normalised,
    wav2vec_name,
    windows,
)
from silencer_core.checkpoint import load_into

assert_close = functools.partial(torch.testing.assert_close, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def io(load):
    return load("wav2vec_io")


@pytest.fixture(scope="module")
def encoder(parity_dir, meta):
    pre, weights = meta.get("pre", {}), parity_dir / "wav2vec.safetensors"
    if "wav2vec_config" not in pre or not weights.exists():
        pytest.skip("there is no audio encoder in this folder")
    model = empty_wav2vec(pre["wav2vec_config"])
    load_into(model, weights, rename=wav2vec_name)
    return Wav2VecFeatures(model, clip_length=pre["clip_length"], fps=pre["fps"])


def test_waveform_is_normalised_and_padded(io):
    waveform, expected = io["waveform_16k"], io["normalized_padded"]
    assert_close(normalised(waveform), expected[: len(waveform)])
    assert not expected[len(waveform) :].any()


def test_positional_convolution(encoder, io):
    weight = encoder.model.encoder.pos_conv_embed.conv.weight
    assert_close(weight, io["pos_conv_effective_weight"])


def test_features_of_the_waveform(encoder, io, meta):
    driving = encoder(Speech(io["waveform_16k"], meta["pre"]["sample_rate"]))
    assert_close(driving.features, io["audio_emb"])
    assert driving.frames == meta["pre"]["audio_length"]


def test_features_of_the_normalised_waveform(encoder, io, meta):
    features = encoder.features(io["normalized_padded"], meta["pre"]["seq_len"])
    assert_close(features, io["audio_emb"])


def test_last_layer(encoder, io, meta):
    features = encoder.features(io["normalized_padded"], meta["pre"]["seq_len"])
    assert_close(features[:, -1], io["last_hidden_state"])


def test_windows_of_the_features(io):
    assert torch.equal(windows(io["audio_emb"]), io["windows"])


def test_windows_of_the_networks_input(inputs, outputs):
    assert torch.equal(windows(inputs["audio_feats"]), outputs["audio.windows"])
