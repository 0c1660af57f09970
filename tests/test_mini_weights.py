"""The shipped file: what is packed comes back."""

import pytest
import torch
import typer
from safetensors.torch import save_file

from silencer_core.errors import SilencerError
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.vae import build_vae
from silencer_core.generators.mini.sizes import MINI, SECOND
from silencer_core.generators.mini.train import unpack
from silencer_core.generators.mini.weights import load_mini, pack


def test_packed_weights_come_back(tmp_path):
    torch.manual_seed(0)
    net, vae = HalloNet(MINI), build_vae(MINI)
    pack(net, vae, tmp_path / "mini.safetensors", {"net": 3})
    mini = load_mini(tmp_path / "mini.safetensors")
    assert mini.config == MINI
    for ours, theirs in ((net, mini.net), (vae, mini.vae)):
        for name, value in ours.state_dict().items():
            assert torch.equal(value.half().float(), theirs.state_dict()[name]), name


def test_file_fits_into_40_megabytes(tmp_path):
    pack(HalloNet(MINI), build_vae(MINI), tmp_path / "mini.safetensors", {})
    assert (tmp_path / "mini.safetensors").stat().st_size <= 40 * 10**6


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(SilencerError, match="missing"):
        load_mini(tmp_path / "nothing.safetensors")


def test_other_weights_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SilencerError, match="not the built-in generator"):
        load_mini(tmp_path / "other.safetensors")


def test_unpacked_training_is_what_was_packed(tmp_path):
    torch.manual_seed(0)
    net, vae = HalloNet(MINI), build_vae(MINI)
    packed, out = tmp_path / "packed", tmp_path / "runs"
    packed.mkdir()
    pack(net, vae, packed / "mini.safetensors", {"net": 700, "decoder": 90})
    (packed / "meter.safetensors").write_bytes(b"meter")
    unpack(packed, out)
    state = torch.load(out / "net.pt", weights_only=True)
    assert state["step"] == 700
    assert torch.load(out / "decoder.pt", weights_only=True)["step"] == 90
    for name, value in net.state_dict().items():
        assert torch.equal(state["net"][name], value.half().float()), name


def test_a_running_training_is_not_overwritten(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weeks of work")
    with pytest.raises(typer.BadParameter):
        unpack(tmp_path, tmp_path)
    assert (tmp_path / "net.pt").read_bytes() == b"weeks of work"


def test_a_second_generator_is_loaded_by_its_file(tmp_path):
    torch.manual_seed(0)
    net, vae = HalloNet(SECOND), build_vae(SECOND)
    pack(net, vae, tmp_path / "second.safetensors", {"net": 3})
    second = load_generator(tmp_path / "second.safetensors", "cpu")
    assert second.config == SECOND
    name, value = next(iter(net.state_dict().items()))
    assert torch.equal(value.half().float(), second.net.state_dict()[name])
