"""The shipped file: what is packed comes back."""

import pytest
import torch
from safetensors.torch import save_file

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.vae import build_vae
from silencer_core.generators.mini.sizes import MINI
from silencer_core.generators.mini.weights import load_mini, pack


def test_packed_weights_come_back(tmp_path):
    torch.manual_seed(0)
    net, vae = HalloNet(MINI), build_vae(MINI)
    pack(net, vae, tmp_path / "mini.safetensors")
    mini = load_mini(tmp_path / "mini.safetensors")
    assert mini.config == MINI
    for ours, theirs in ((net, mini.net), (vae, mini.vae)):
        for name, value in ours.state_dict().items():
            assert torch.equal(value.half().float(), theirs.state_dict()[name]), name


def test_file_fits_into_40_megabytes(tmp_path):
    pack(HalloNet(MINI), build_vae(MINI), tmp_path / "mini.safetensors")
    assert (tmp_path / "mini.safetensors").stat().st_size <= 40 * 10**6


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(SilencerError, match="missing"):
        load_mini(tmp_path / "nothing.safetensors")


def test_other_weights_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SilencerError, match="not the built-in generator"):
        load_mini(tmp_path / "other.safetensors")
