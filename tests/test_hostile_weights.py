"""Weight files of every odd kind are refused in one clear line, and nothing in them runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import torch
from fuzz import fuzz
from hostile_weights import Case, cases, tensors, whole
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from silencer_core.checkpoint import load_into
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.models.stored import open_stored
from silencer_core.weight_files import open_weights, save_safetensors

MARKER = Path(tempfile.gettempdir()) / f"silencer-hostile-{os.getpid()}"
CASES = cases(MARKER)
WHOLE = {"a.safetensors": save(tensors()), "a.pth": whole(), "legacy.pth": whole(legacy=True)}


def linear() -> torch.nn.Linear:
    with torch.device("meta"):
        return torch.nn.Linear(3, 2)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_odd_weights_are_refused(case: Case, tmp_path):
    path = tmp_path / case.name
    path.write_bytes(case.content)
    with pytest.raises(SilencerError) as refusal:
        load_into(linear(), path)
    assert case.expected in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not MARKER.exists()
    assert os.listdir(tmp_path) == [case.name]  # noqa: PTH208


def test_there_are_many():
    assert len({case.content for case in CASES}) > 200


def test_the_whole_files_load(tmp_path):
    for name, content in WHOLE.items():
        (tmp_path / name).write_bytes(content)
        module = linear()
        load_into(module, tmp_path / name)
        assert torch.equal(module.weight, tensors()["weight"])


@pytest.mark.parametrize("kind", ["none", "dangling", "loop", "folder", "pipe", "device", "null"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "weights.pth"
    if kind == "dangling":
        path.symlink_to(tmp_path / "gone")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "null":
        path = Path(f"{tmp_path}/a\0b.pth")
    with pytest.raises(SilencerError):
        open_weights(path)


def test_a_link_to_weights_is_followed(tmp_path):
    (tmp_path / "blob").write_bytes(WHOLE["a.safetensors"])
    (tmp_path / "a.safetensors").symlink_to("blob")
    load_into(linear(), tmp_path / "a.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@fuzz(150)
@given(st.data())
def test_any_change_of_a_weight_file(folder, data):
    name = data.draw(st.sampled_from(sorted(WHOLE)))
    content = bytearray(WHOLE[name])
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    ):
        content[place] = value
    (folder / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    module = linear()
    try:
        load_into(module, folder / name)
    except SilencerError:
        return
    assert module.weight.isfinite().all()


NUMBERS = (-1, 0, 10**9, 2**70, 1.5, float("nan"), float("inf"), "8", None, True, [], {}, [3])
FIELDS = ("layers", "heads", "groups", "cross_dim", "audio_tokens", "size", "steps", "fps")
WIDTHS = (-1, 0, "8", None, [], [0], [-8, -8], ["8"], [8.5], [10**9], [8] * 40, {}, [None], 8)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_configuration_with_an_odd_number_is_refused(field, value):
    with pytest.raises(SilencerError, match=field):
        HalloConfig(**{field: value})


@pytest.mark.parametrize("field", ["channels", "vae_channels", "face_locator_channels"])
@pytest.mark.parametrize("value", WIDTHS, ids=repr)
def test_a_configuration_with_odd_widths_is_refused(field, value):
    with pytest.raises(SilencerError, match=field):
        HalloConfig(**{field: value})


@pytest.mark.parametrize("field", ["latent_scale", "guidance"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "1", None, [1.0]], ids=repr)
def test_a_configuration_with_an_odd_scale_is_refused(field, value):
    with pytest.raises(SilencerError, match=field):
        HalloConfig(**{field: value})


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"a"', '{"new": 1}', "{" * 99_999])
def test_a_configuration_that_is_none_is_refused(text):
    with pytest.raises(SilencerError, match="configuration"):
        HalloConfig.from_json(text)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"silencer.format": "hallo-2"},
        {"silencer.format": "hallo-1"},
        {"silencer.format": "hallo-1", "silencer.config": "{}"},
        {"silencer.format": "hallo-1", "silencer.config": "[]", "silencer.wav2vec_config": "{}"},
        {"silencer.format": "hallo-1", "silencer.config": "{", "silencer.wav2vec_config": "{}"},
        {
            "silencer.format": "hallo-1",
            "silencer.config": '{"layers": 1000000000}',
            "silencer.wav2vec_config": "{}",
        },
        {"silencer.format": "hallo-1", "silencer.config": "{}", "silencer.wav2vec_config": "[]"},
    ],
)
def test_odd_metadata_of_a_converted_file_is_refused(metadata, tmp_path):
    save_safetensors(tmp_path / "a.safetensors", tensors(), metadata)
    with pytest.raises(SilencerError, match=r"a\.safetensors"):
        open_stored(tmp_path / "a.safetensors")
