"""Recordings of every odd kind are read as they sound, or refused in one clear line."""

from __future__ import annotations

import pytest
import torch
from fuzz import fuzz
from hostile_sounds import Case, cases, whole_files
from hypothesis import given
from hypothesis import strategies as st

from silencer_core.audio import Speech, read_speech
from silencer_core.errors import SilencerError

CASES = cases()
WHOLE = list(whole_files().values())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_odd_recording(case: Case, tmp_path):
    path = tmp_path / case.name
    path.write_bytes(case.content)
    if isinstance(case.expected, float):
        speech = read_speech(path)
        assert speech.seconds == pytest.approx(case.expected, abs=0.13)  # codecs pad
        assert speech.waveform.ndim == 1
        assert speech.waveform.abs().max() <= 1
    else:
        with pytest.raises(SilencerError) as refusal:
            read_speech(path)
        assert case.expected in str(refusal.value)
        assert str(refusal.value).startswith(str(path))
        assert "\n" not in str(refusal.value)


def test_there_are_many():
    assert len({(case.name, case.content) for case in CASES}) > 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sounds")


@fuzz(120)
@given(st.data())
def test_any_change_of_a_recording(folder, data):
    content = bytearray(data.draw(st.sampled_from(WHOLE)))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    (folder / "speech.wav").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        speech = read_speech(folder / "speech.wav")
    except SilencerError:
        return
    assert speech.waveform.isfinite().all()


WAVES = {
    "two_channels": torch.zeros(2, 8000),
    "batch": torch.zeros(1, 1, 8000),
    "scalar": torch.tensor(0.0),
    "nothing": torch.zeros(0),
    "short": torch.zeros(639),
    "nan": torch.full((8000,), float("nan")),
    "inf": torch.full((8000,), float("inf")),
    "minus_inf": torch.full((8000,), float("-inf")),
}


@pytest.mark.parametrize("name", WAVES)
def test_odd_waveforms_are_refused(name):
    with pytest.raises(SilencerError, match="the sound"):
        Speech(WAVES[name], 16_000)


@pytest.mark.parametrize("rate", [0, -1, 999, 2**31, float("nan"), float("inf"), -float("inf")])
def test_odd_rates_are_refused(rate):
    with pytest.raises(SilencerError, match="rate"):
        Speech(torch.zeros(8000), rate)
