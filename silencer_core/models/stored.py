"""A generator on disk, as published folder or as one converted file, and its modules.

Only this module knows which weights lie where and under which old names.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from silencer_core.audio import empty_wav2vec, wav2vec_name
from silencer_core.checkpoint import Difference, difference, load_into, tensors_for
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.weight_files import Header, open_weights, safetensors_writer

from .folder import PublishedFolder, face_models, find, infer_config, read_json

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import Wav2Vec2Model

    from silencer_core.generators.hallo.network import HalloNet

MODULES = ("net", "vae", "wav2vec")
_FORMAT = "silencer.format"
_CONFIG = "silencer.config"
_WAV2VEC_CONFIG = "silencer.wav2vec_config"
_VERSION = "hallo-1"
_PREFIXES = {"net": "", "vae": "vae.", "wav2vec": "wav2vec."}
_OLD_ATTENTION = {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}


@dataclasses.dataclass(frozen=True)
class StoredWeights:
    """Where the weights of one module are: which file, under which prefix, which names."""

    path: Path
    prefix: str = ""
    rename: Callable[[str], str | None] | None = None

    def difference(self, module: nn.Module) -> Difference:
        """How the stored tensors differ from those of `module`, by their headers."""
        return difference(module, self.path, prefix=self.prefix, rename=self.rename)

    def load_into(self, module: nn.Module, dtype: torch.dtype, device: torch.device | str) -> None:
        """Fills `module`; see `silencer_core.checkpoint.load_into`."""
        load_into(
            module, self.path, prefix=self.prefix, dtype=dtype, device=device, rename=self.rename
        )


@dataclasses.dataclass(frozen=True)
class StoredHallo:
    """A generator on disk: its configuration, and where the weights of its modules are.

    `faces` is the folder of ONNX face models, where there is one.
    """

    config: HalloConfig
    wav2vec_config: Mapping[str, Any]
    weights: Mapping[str, StoredWeights]
    faces: Path | None

    def build(self, name: str) -> nn.Module:
        """The module of that name (see `MODULES`) on the meta device, without weights."""
        from silencer_core.generators.hallo.network import HalloNet
        from silencer_core.generators.hallo.vae import build_vae

        if name == "wav2vec":
            return empty_wav2vec(self.wav2vec_config)
        with torch.inference_mode(False), torch.device("meta"):
            return HalloNet(self.config) if name == "net" else build_vae(self.config)

    def load(
        self,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        audio_dtype: torch.dtype = torch.float32,
    ) -> tuple[HalloNet, AutoencoderKL, Wav2Vec2Model]:
        """Net, VAE and audio encoder with their weights, frozen and in eval mode.

        Args:
            dtype: of net and VAE.
            device: of all three.
            audio_dtype: of the audio encoder, which runs once per recording.

        Raises:
            SilencerError: as `silencer_core.checkpoint.load_into`.
        """
        modules = {name: self.build(name) for name in MODULES}
        for name, module in modules.items():
            wanted = audio_dtype if name == "wav2vec" else dtype
            self.weights[name].load_into(module, wanted, device)
            module.eval().requires_grad_(False)
        return tuple(modules.values())


def open_stored(path: str | Path) -> StoredHallo:
    """The generator at `path`: a folder as published, or a file written by `convert`.

    Face models are looked for in the folder, or in `face_analysis` beside the file. Weights are
    not read.

    Raises:
        SilencerError: if a file is missing or does not hold what it should.
    """
    path = Path(path)
    if path.is_file():
        return _open_file(path)
    return open_folder(find(path))


def open_folder(found: PublishedFolder) -> StoredHallo:
    """The generator in a complete published folder."""
    return StoredHallo(
        config=infer_config(found),
        wav2vec_config=read_json(found.wav2vec_config),
        weights={
            "net": StoredWeights(found.net),
            "vae": StoredWeights(found.vae, rename=vae_key),
            "wav2vec": StoredWeights(found.wav2vec, rename=wav2vec_name),
        },
        faces=found.faces,
    )


def _open_file(path: Path) -> StoredHallo:
    metadata = open_weights(path).metadata
    if metadata.get(_FORMAT) != _VERSION:
        raise SilencerError(
            f"{path} is not a converted generator: expected {_FORMAT} = {_VERSION} in its "
            f"metadata, found {metadata.get(_FORMAT)!r}. Give a published folder, or a file that "
            "`silencer models convert` wrote."
        )
    try:
        config = HalloConfig.from_json(metadata[_CONFIG])
        wav2vec_config = json.loads(metadata[_WAV2VEC_CONFIG])
        if not isinstance(wav2vec_config, dict):
            raise ValueError(f"{_WAV2VEC_CONFIG} is no JSON object")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise SilencerError(f"{path}: its configuration is damaged ({error}).") from error
    return StoredHallo(
        config=config,
        wav2vec_config=wav2vec_config,
        weights={
            name: StoredWeights(path, prefix, None if prefix else _net_key)
            for name, prefix in _PREFIXES.items()
        },
        faces=face_models(path.parent),
    )


def convert(
    source: str | Path,
    output: str | Path,
    dtype: torch.dtype = torch.float16,
    *,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes a generator as one safetensors file in half precision.

    Net keys stay as they are; VAE and audio encoder get the prefixes `vae.` and `wav2vec.` and
    today's names; the configurations go into the metadata. Every floating-point tensor is rounded
    to `dtype`, position tables included; integers stay. Tensors are read, converted and written
    one by one, so the memory needed is a shard of the source, not the file.

    Args:
        source: a published folder, or a converted file.
        output: the file to write. It appears when complete.
        dtype: torch.float16 or torch.bfloat16.
        replace: overwrite an existing file.
        progress: called with bytes written and bytes in all.

    Raises:
        SilencerError: if the source cannot be loaded, a value exceeds the range of `dtype`, or
            the output exists or cannot be written.
    """
    output = Path(output)
    if output.suffix != ".safetensors":
        raise SilencerError(f"{output}: the output must be named *.safetensors.")
    if output.exists() and not replace:
        raise SilencerError(f"{output} exists already. Overwrite it with --force.")
    stored = open_stored(source)
    modules = {name: stored.build(name) for name in MODULES}
    headers = {
        _PREFIXES[name] + key: Header(
            tuple(value.shape), dtype if value.is_floating_point() else value.dtype
        )
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    metadata = {
        "format": "pt",
        _FORMAT: _VERSION,
        _CONFIG: stored.config.to_json(),
        _WAV2VEC_CONFIG: json.dumps(stored.wav2vec_config),
    }
    total, done = sum(header.nbytes for header in headers.values()), 0
    with torch.inference_mode(False), safetensors_writer(output, headers, metadata) as write:
        for name, module in modules.items():
            weights = stored.weights[name]
            for key, value in tensors_for(
                module, weights.path, prefix=weights.prefix, dtype=dtype, rename=weights.rename
            ):
                write(_PREFIXES[name] + key, value)
                done += value.nbytes
                if progress:
                    progress(done, total)


def vae_key(key: str) -> str:
    """An AutoencoderKL's key as diffusers names it today; its attention had other names once."""
    head, _, tail = key.rpartition(".")
    block, _, name = head.rpartition(".")
    if ".attentions." in key and name in _OLD_ATTENTION:
        return f"{block}.{_OLD_ATTENTION[name]}.{tail}"
    return key


def _net_key(key: str) -> str | None:
    others = tuple(prefix for prefix in _PREFIXES.values() if prefix)
    return None if key.startswith(others) else key
