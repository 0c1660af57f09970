"""The published layout: what is read from it, checked, converted and refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from silencer_core.audio import empty_wav2vec
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.models.folder import find, infer_config
from silencer_core.models.stored import open_stored
from silencer_core.models_cli import app

VAE = "sd-vae-ft-mse/diffusion_pytorch_model.safetensors"
WAV2VEC = "wav2vec/wav2vec2-base-960h/model.safetensors"


def run(*arguments: object):
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, [str(each) for each in arguments])


def change_net(published: Path, change) -> None:
    tensors = torch.load(published / "hallo/net.pth", weights_only=True)
    change(tensors)
    torch.save(tensors, published / "hallo/net.pth")


def edit(path: Path, **entries) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


# what the folder tells


def test_sizes_are_inferred(published, published_config):
    assert infer_config(published) == published_config


def test_own_configuration_overrides(published):
    (published / "hallo/config.json").write_text('{"motion_heads": 4, "clip_frames": 5}')
    config = infer_config(published)
    assert (config.motion_heads, config.clip_frames) == (4, 5)


def test_own_configuration_with_unknown_entry(published):
    (published / "hallo/config.json").write_text('{"clip_lenght": 5}')
    with pytest.raises(SilencerError, match="clip_lenght"):
        infer_config(published)


def test_contradicting_configurations_name_both_files(published):
    edit(published / "sd-vae-ft-mse/config.json", latent_channels=8)
    with pytest.raises(SilencerError, match=r"sd-vae-ft-mse.*unet"):
        infer_config(published)


def test_audio_encoder_of_another_size(published):
    edit(published / "wav2vec/wav2vec2-base-960h/config.json", hidden_size=32)
    with pytest.raises(SilencerError, match="audioproj takes 160 numbers"):
        infer_config(published)


def test_damaged_configuration(published):
    (published / "sd-vae-ft-mse/config.json").write_text("{")
    with pytest.raises(SilencerError, match=r"sd-vae-ft-mse/config\.json is not readable JSON"):
        infer_config(published)


def test_configuration_without_an_entry(published):
    path = published / "stable-diffusion-v1-5/unet/config.json"
    path.write_text(json.dumps({"block_out_channels": [8, 16]}))
    with pytest.raises(SilencerError, match=r"cross_attention_dim must be .* found None"):
        infer_config(published)


def test_every_missing_file_is_named(published):
    (published / "hallo/net.pth").unlink()
    (published / VAE).unlink()
    with pytest.raises(SilencerError, match=rf"hallo/net\.pth, {VAE} missing"):
        find(published)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("wav2vec/wav2vec2-base-960h", "wav2vec2-base-960h"),
        ("stable-diffusion-v1-5/unet/config.json", "stable-diffusion-v1-5/config.json"),
        ("stable-diffusion-v1-5/unet", "unet"),
    ],
)
def test_other_accepted_places(here, there, published, published_config):
    (published / here).rename(published / there)
    assert infer_config(published) == published_config


PUBLISHED_CONFIGS = {
    "stable-diffusion-v1-5/unet": {
        "attention_head_dim": 8,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 768,
        "in_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "sample_size": 64,
    },
    "sd-vae-ft-mse": {
        "block_out_channels": [128, 256, 512, 512],
        "latent_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "sample_size": 256,
    },
    "wav2vec2-base-960h": {"hidden_size": 768, "num_hidden_layers": 12, "mask_time_prob": 0.05},
}


def test_published_sizes(tmp_path):
    keys = Path(__file__).parents[2] / "shared/parity/published_keys.json"
    if not keys.is_file():
        pytest.skip(f"{keys} is absent")
    published = json.loads(keys.read_text())
    for folder, content in PUBLISHED_CONFIGS.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text(json.dumps(content))
    (tmp_path / "hallo").mkdir()
    nothing = torch.zeros(1)  # one value, seen as every shape: files of published keys, not sizes

    def store(shapes, name: str) -> None:
        torch.save({key: nothing.expand(shape) for key, shape in shapes.items()}, tmp_path / name)

    store(published["net"], "hallo/net.pth")
    store(published["vae"], "sd-vae-ft-mse/diffusion_pytorch_model.bin")
    encoder = empty_wav2vec(PUBLISHED_CONFIGS["wav2vec2-base-960h"]).state_dict()
    store(
        {key: value.shape for key, value in encoder.items()}, "wav2vec2-base-960h/pytorch_model.bin"
    )
    assert infer_config(tmp_path) == HalloConfig()
    assert run("check", tmp_path).exit_code == 0


# loading


def test_loaded_values_are_those_in_the_files(published):
    net, vae, wav2vec = open_stored(published).load()
    saved = torch.load(published / "hallo/net.pth", weights_only=True)
    assert all(torch.equal(value, saved[key]) for key, value in net.state_dict().items())
    query = load_file(published / VAE)["encoder.mid_block.attentions.0.query.weight"]
    assert torch.equal(vae.encoder.mid_block.attentions[0].to_q.weight, query)
    gain = load_file(published / WAV2VEC)["wav2vec2.encoder.pos_conv_embed.conv.weight_g"]
    loaded = wav2vec.encoder.pos_conv_embed.conv.parametrizations.weight.original0
    assert torch.equal(loaded, gain)


def test_loaded_modules_are_frozen(published):
    modules = open_stored(published).load()
    assert not any(module.training for module in modules)
    assert not any(value.requires_grad for module in modules for value in module.parameters())


def test_vae_with_attention_stored_as_convolutions(published):
    tensors = load_file(published / VAE)
    for key, value in tensors.items():
        if ".query." in key or ".key." in key or ".value." in key or ".proj_attn." in key:
            tensors[key] = value[..., None, None] if key.endswith("weight") else value
    save_file({key: value.contiguous() for key, value in tensors.items()}, published / VAE)
    assert open_stored(published).load()[1].encoder.mid_block.attentions[0].to_k.weight.ndim == 2


def test_other_formats_of_the_same_weights(published):
    net = torch.load(published / "hallo/net.pth", weights_only=True)
    save_file(net, published / "hallo/net.safetensors")
    (published / "hallo/net.pth").unlink()
    torch.save(load_file(published / VAE), (published / VAE).with_suffix(".bin"))
    (published / VAE).unlink()
    torch.save(load_file(published / WAV2VEC), (published / WAV2VEC).with_name("pytorch_model.bin"))
    (published / WAV2VEC).unlink()
    loaded = open_stored(published).load()[0].state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in net.items())


# check


def test_check_of_a_usable_folder(published):
    result = run("check", published)
    assert result.exit_code == 0, result.output
    assert "built-in detector" in result.output


def test_check_shows_source_and_licence(published):
    output = run("check", published).output
    for text in ("Apache-2.0", "MIT", "OpenRAIL-M", "non-commercial", "fudan-generative-ai/hallo"):
        assert text in output


def missing_key(published: Path) -> None:
    change_net(published, lambda tensors: tensors.pop("audioproj.proj2.bias"))


def wrong_shape(published: Path) -> None:
    change_net(published, lambda tensors: tensors.update({"imageproj.proj.bias": torch.ones(3)}))


def truncated(published: Path) -> None:
    path = published / "hallo/net.pth"
    path.write_bytes(path.read_bytes()[:50_000])


class Command:
    def __reduce__(self):
        return os.system, ("true",)


def with_code(published: Path) -> None:
    change_net(published, lambda tensors: tensors.update(hook=Command()))


def no_vae(published: Path) -> None:
    (published / VAE).unlink()


def truncated_vae(published: Path) -> None:
    (published / VAE).write_bytes((published / VAE).read_bytes()[:-7])


DAMAGE = [
    (missing_key, r"1 missing \(audioproj\.proj2\.bias\)"),
    (wrong_shape, r"imageproj\.proj\.bias: expected \[64\], found \[3\]"),
    (truncated, r"net\.pth is truncated"),
    (with_code, r"net\.pth is refused: .*system"),
    (no_vae, r"sd-vae-ft-mse/diffusion_pytorch_model\.safetensors"),
    (truncated_vae, r"safetensors is truncated"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damaged_folder_is_not_loaded(damage, message, published):
    damage(published)
    with pytest.raises(SilencerError, match=message):
        open_stored(published).load()


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_check_tells_the_damage(damage, message, published):
    damage(published)
    result = run("check", published)
    assert result.exit_code == 1
    assert re.search(message, result.output)


def test_check_of_face_models(published):
    for name in ("scrfd_10g_bnkps", "2d106det", "glintr100"):
        path = published / f"face_analysis/models/{name}.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x08\x07")
    result = run("check", published)
    assert result.exit_code == 0
    assert "2d106det.onnx" in result.output


def test_check_of_incomplete_face_models(published):
    (published / "face_analysis").mkdir()
    (published / "face_analysis/glintr100.onnx").write_bytes(b"\x08\x07")
    result = run("check", published)
    assert result.exit_code == 1
    assert "scrfd_10g_bnkps.onnx" in result.output


def test_check_of_contradicting_configurations(published):
    edit(published / "sd-vae-ft-mse/config.json", latent_channels=8)
    result = run("check", published)
    assert result.exit_code == 1
    assert "belong to different generators" in result.output


def test_check_of_no_folder(tmp_path):
    result = run("check", tmp_path / "absent")
    assert isinstance(result.exception, SilencerError)


# convert


@pytest.fixture
def converted(published, tmp_path) -> Path:
    path = tmp_path / "hallo.safetensors"
    result = run("convert", published, "-o", path)
    assert result.exit_code == 0, result.output
    return path


def test_converted_file_is_half_precision(converted):
    assert {value.dtype for value in load_file(converted).values()} == {torch.float16}


def test_converted_file_names_its_configuration(converted, published_config):
    with safe_open(converted, framework="pt") as file:
        metadata = file.metadata()
    assert HalloConfig.from_json(metadata["silencer.config"]) == published_config


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_converted_file_loads_what_the_folder_holds(dtype, published, tmp_path):
    path = tmp_path / "hallo.safetensors"
    run("convert", published, "-o", path, "--dtype", str(dtype).removeprefix("torch."))
    before = open_stored(published).load(dtype, audio_dtype=dtype)
    after = open_stored(path).load(dtype, audio_dtype=dtype)
    for one, other in zip(before, after, strict=True):
        state = other.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in one.state_dict().items())


def test_check_of_a_converted_file(converted):
    assert run("check", converted).exit_code == 0


def test_check_of_a_converted_file_that_lost_a_key(converted):
    with safe_open(converted, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(converted)
    del tensors["vae.encoder.conv_in.bias"]
    save_file(tensors, converted, metadata)
    result = run("check", converted)
    assert result.exit_code == 1
    assert "1 missing (vae.encoder.conv_in.bias)" in result.output


def test_foreign_safetensors_is_no_generator(published):
    with pytest.raises(SilencerError, match="is not a converted generator"):
        open_stored(published / VAE)


def test_existing_output_is_kept(published, tmp_path):
    path = tmp_path / "hallo.safetensors"
    path.write_text("mine")
    result = run("convert", published, "-o", path)
    assert isinstance(result.exception, SilencerError)
    assert path.read_text() == "mine"


def test_existing_output_is_replaced_by_force(published, converted):
    converted.write_text("mine")
    assert run("convert", published, "-o", converted, "--force").exit_code == 0
    open_stored(converted).load()


def test_value_beyond_half_precision_leaves_no_file(published, tmp_path):
    change_net(published, lambda tensors: tensors["imageproj.proj.bias"].fill_(1e6))
    result = run("convert", published, "-o", tmp_path / "hallo.safetensors")
    assert "imageproj.proj.bias" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_unknown_dtype_is_a_usage_error(published, tmp_path):
    result = run("convert", published, "-o", tmp_path / "x.safetensors", "--dtype", "int8")
    assert result.exit_code == 2
