"""A generator folder in the published layout, small and with random weights."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

torch.set_num_threads(1)

TINY = {
    "channels": (8, 16),
    "layers": 1,
    "heads": 2,
    "groups": 4,
    "cross_dim": 16,
    "motion_heads": 2,
    "motion_groups": 4,
    "face_locator_channels": (4, 8),
    "audio_blocks": 2,
    "audio_channels": 16,
    "audio_hidden": 16,
    "audio_tokens": 4,
    "audio_dim": 20,
    "vae_channels": (8, 16),
    "vae_layers": 1,
    "vae_groups": 4,
    "size": 32,
}
TINY_WAV2VEC = {
    "model_type": "wav2vec2",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture(scope="session")
def _published(published_config, tmp_path_factory) -> Path:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    from silencer_core.generators.hallo.network import HalloNet
    from silencer_core.generators.hallo.vae import build_vae

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("published")
    write_published(
        root,
        net=HalloNet(published_config).state_dict(),
        vae=build_vae(published_config).state_dict(),
        wav2vec=Wav2Vec2ForCTC(Wav2Vec2Config(**TINY_WAV2VEC)).state_dict(),
    )
    return root


@pytest.fixture(scope="session")
def published_config():
    """The configuration of `published`."""
    from silencer_core.generators.hallo.config import HalloConfig

    return HalloConfig(**TINY)


@pytest.fixture
def published(_published, tmp_path) -> Path:
    """A folder that the test may damage: net.pth, old attention and weight-norm names."""
    return Path(shutil.copytree(_published, tmp_path / "published"))


@pytest.fixture
def silencer(monkeypatch, capsys):
    """`silencer("attack", ...)` runs the command line here: exit code, stdout, stderr."""
    from silencer_core import cli

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["silencer", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def benchmark_script():
    """`benchmark_script("card")` imports benchmarks/card.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[1] / "benchmarks")
        yield importlib.import_module


def write_published(
    root: Path, net: Mapping[str, Tensor], vae: Mapping[str, Tensor], wav2vec: Mapping[str, Tensor]
) -> None:
    """Writes weights under the names that the published files have."""
    from safetensors.torch import save_file

    configs = {
        "stable-diffusion-v1-5/unet": {
            "block_out_channels": TINY["channels"],
            "layers_per_block": TINY["layers"],
            "attention_head_dim": TINY["heads"],
            "cross_attention_dim": TINY["cross_dim"],
            "norm_num_groups": TINY["groups"],
            "in_channels": 4,
            "sample_size": TINY["size"] // 2,
        },
        "sd-vae-ft-mse": {
            "block_out_channels": TINY["vae_channels"],
            "layers_per_block": TINY["vae_layers"],
            "latent_channels": 4,
            "norm_num_groups": TINY["vae_groups"],
        },
        "wav2vec/wav2vec2-base-960h": TINY_WAV2VEC,
        "hallo": {},
    }
    for folder, content in configs.items():
        (root / folder).mkdir(parents=True)
        if content:
            (root / folder / "config.json").write_text(json.dumps(content))
    torch.save(dict(net), root / "hallo/net.pth")
    save_file(
        {_old_vae(key): value for key, value in vae.items()},
        root / "sd-vae-ft-mse/diffusion_pytorch_model.safetensors",
    )
    save_file(
        {  # the published file has no vector for masking
            _old_wav2vec(key): value
            for key, value in wav2vec.items()
            if not key.endswith("masked_spec_embed")
        },
        root / "wav2vec/wav2vec2-base-960h/model.safetensors",
    )


def _old_vae(key: str) -> str:
    if ".attentions." in key:
        for new, old in OLD_ATTENTION.items():
            key = key.replace(f".{new}.", f".{old}.")
    return key


def _old_wav2vec(key: str) -> str:
    key = key.replace("parametrizations.weight.original0", "weight_g")
    return key.replace("parametrizations.weight.original1", "weight_v")
