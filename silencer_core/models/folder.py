"""The folder in which Hallo is published: its parts, where they lie, what their files tell.

Source of the layout: https://huggingface.co/fudan-generative-ai/hallo
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from silencer_core.checkpoint import shapes
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig

_VAE = "sd-vae-ft-mse"
_WAV2VEC = ("wav2vec/wav2vec2-base-960h", "wav2vec2-base-960h")
_FACES = ("face_analysis/models", "face_analysis")
_FACE_MODELS = (  # detector, landmarks (either), identity
    ("scrfd_10g_bnkps.onnx",),
    ("1k3d68.onnx", "2d106det.onnx"),
    ("glintr100.onnx",),
)
OVERRIDES = "hallo/config.json"

# every file, under its name in PublishedFolder, and where it may lie: the first that exists counts
CANDIDATES: dict[str, tuple[str, ...]] = {
    "net": ("hallo/net.safetensors", "hallo/net.pth"),
    "vae": tuple(f"{_VAE}/diffusion_pytorch_model.{end}" for end in ("safetensors", "bin")),
    "vae_config": (f"{_VAE}/config.json",),
    "wav2vec": tuple(
        f"{folder}/{name}"
        for folder in _WAV2VEC
        for name in ("model.safetensors", "pytorch_model.bin")
    ),
    "wav2vec_config": tuple(f"{folder}/config.json" for folder in _WAV2VEC),
    "unet_config": (
        "stable-diffusion-v1-5/unet/config.json",
        "stable-diffusion-v1-5/config.json",
        "unet/config.json",
    ),
}


@dataclasses.dataclass(frozen=True)
class Part:
    """One of the things a published folder consists of.

    Attributes:
        name: as the command line calls it.
        purpose: what it does in the generator.
        needs: the files, as `PublishedFolder` names them; empty for the face models.
        downloads: the same files as the publisher's repository names them.
        source: where the part comes from originally.
        licence: under which it is published.
        bytes: size of the download, roughly.
        without: what works when it is missing; empty where nothing does.
    """

    name: str
    purpose: str
    needs: tuple[str, ...]
    downloads: tuple[str, ...]
    source: str
    licence: str
    bytes: int
    without: str = ""


PARTS: tuple[Part, ...] = (
    Part(
        name="net",
        purpose="reference, denoising and face networks, projections",
        needs=("net",),
        downloads=("hallo/net.pth",),
        source="huggingface.co/fudan-generative-ai/hallo",
        licence="MIT",
        bytes=4_850_000_000,
    ),
    Part(
        name="vae",
        purpose="pictures to latents and back",
        needs=("vae", "vae_config"),
        downloads=(f"{_VAE}/diffusion_pytorch_model.safetensors", f"{_VAE}/config.json"),
        source="huggingface.co/stabilityai/sd-vae-ft-mse",
        licence="MIT",
        bytes=335_000_000,
    ),
    Part(
        name="wav2vec",
        purpose="speech to audio features",
        needs=("wav2vec", "wav2vec_config"),
        downloads=(f"{_WAV2VEC[0]}/model.safetensors", f"{_WAV2VEC[0]}/config.json"),
        source="huggingface.co/facebook/wav2vec2-base-960h",
        licence="Apache-2.0",
        bytes=378_000_000,
    ),
    Part(
        name="unet",
        purpose="sizes of the two UNets, a configuration only",
        needs=("unet_config",),
        downloads=("stable-diffusion-v1-5/unet/config.json",),
        source="huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5",
        licence="CreativeML OpenRAIL-M",
        bytes=1_000,
    ),
    Part(
        name="faces",
        purpose="face box, landmarks and identity of a photo",
        needs=(),
        downloads=tuple(f"{_FACES[0]}/{names[0]}" for names in _FACE_MODELS),
        source="github.com/deepinsight/insightface/tree/master/model_zoo",
        licence="non-commercial research only",
        bytes=421_000_000,
        without="the built-in detector finds the face, and the identity embedding is zero",
    ),
)


@dataclasses.dataclass(frozen=True)
class PublishedFolder:
    """Where the files of a published folder were found; None where one was not.

    `faces` is the folder that holds the ONNX face models (optional); `overrides` a
    `hallo/config.json` with fields of `HalloConfig` that no other file tells (optional).
    """

    root: Path
    net: Path | None
    vae: Path | None
    vae_config: Path | None
    wav2vec: Path | None
    wav2vec_config: Path | None
    unet_config: Path | None
    faces: Path | None
    overrides: Path | None

    def missing(self, part: Part) -> list[str]:
        """The files that `part` lacks, each as the path where the publisher has it."""
        if part.name == "faces":
            return [
                f"{_FACES[0]}/{names[0]}"
                for names in _FACE_MODELS
                if not (self.faces and any((self.faces / name).is_file() for name in names))
            ]
        files = zip(part.needs, part.downloads, strict=True)
        return [path for name, path in files if getattr(self, name) is None]

    def files(self, part: Part) -> list[Path]:
        """The files of `part` that are there."""
        if part.name == "faces":
            return sorted(self.faces.glob("*.onnx")) if self.faces else []
        found = [getattr(self, name) for name in part.needs]
        return [path for path in found if path is not None]


def look(folder: str | Path) -> PublishedFolder:
    """What is in `folder`, complete or not.

    Raises:
        SilencerError: if there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SilencerError(f"{root}: no such folder. Give the one that holds hallo/net.pth.")
    found = {
        name: next((root / path for path in paths if (root / path).is_file()), None)
        for name, paths in CANDIDATES.items()
    }
    overrides = root / OVERRIDES
    return PublishedFolder(
        root=root,
        faces=face_models(root),
        overrides=overrides if overrides.is_file() else None,
        **found,
    )


def face_models(root: Path) -> Path | None:
    """The folder below `root` that holds ONNX face models."""
    places = (root / path for path in _FACES)
    return next((place for place in places if any(place.glob("*.onnx"))), None)


def find(folder: str | Path) -> PublishedFolder:
    """A folder that has every part a generator needs.

    Raises:
        SilencerError: naming every file that is missing.
    """
    found = look(folder)
    missing = [path for part in PARTS if not part.without for path in found.missing(part)]
    if missing:
        raise SilencerError(
            f"{found.root} is not a complete Hallo folder: {', '.join(missing)} missing. See "
            f"`silencer models check {found.root}`; `silencer models download {found.root}` "
            "fetches what is published."
        )
    return found


def infer_config(folder: str | Path | PublishedFolder) -> HalloConfig:
    """The configuration that the files tell, with the published values for what none tells.

    Sizes come from the UNet's, the VAE's and wav2vec's config.json, those of the heads and the
    length of the motion modules' position table from the shapes in the checkpoint. Motion modules
    have the UNet's heads and norm groups unless `hallo/config.json` says otherwise.

    Raises:
        SilencerError: naming the file and the entry that is missing, wrong or contradictory.
    """
    found = folder if isinstance(folder, PublishedFolder) else find(folder)
    values = {
        **_from_unet(read_json(found.unet_config), found.unet_config),
        **_from_wav2vec(read_json(found.wav2vec_config), found.wav2vec_config),
    }
    vae = _from_vae(read_json(found.vae_config), found.vae_config)
    if vae["latent_channels"] != values["latent_channels"]:
        raise SilencerError(
            f"{found.vae_config} has {vae['latent_channels']} latent_channels, but "
            f"{found.unet_config} takes {values['latent_channels']} in_channels: they belong to "
            "different generators."
        )
    values |= vae
    values |= _from_shapes(shapes(found.net), values, found.net)
    values["size"] = values.pop("latent_size") * 2 ** (len(values["vae_channels"]) - 1)
    values["clip_frames"] = min(
        HalloConfig.clip_frames, values["motion_positions"] - HalloConfig.motion_frames
    )
    if found.overrides:
        values |= read_json(found.overrides)
    try:
        return HalloConfig.from_json(json.dumps(values))
    except (SilencerError, TypeError, ArithmeticError) as error:
        beside = f" and {OVERRIDES}" if found.overrides else f" (there is no {OVERRIDES})"
        raise SilencerError(
            f"{found.root}: the configuration files{beside} do not describe a generator: {error}"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; a SilencerError names the file that holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SilencerError(f"{path} is not readable JSON ({error}). Fetch it again.") from error
    if not isinstance(content, dict):
        raise SilencerError(f"{path} holds a {type(content).__name__}; expected a JSON object.")
    return content


def _whole(content: Mapping[str, Any], path: Path, name: str, default: int | None = None) -> int:
    value = content.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise SilencerError(f"{path}: {name} must be a positive whole number, found {value!r}.")
    return value


def _widths(content: Mapping[str, Any], path: Path) -> list[int]:
    value = content.get("block_out_channels")
    if not (isinstance(value, list) and value and all(isinstance(width, int) for width in value)):
        raise SilencerError(
            f"{path}: block_out_channels must be a list of whole numbers, found {value!r}."
        )
    return value


def _from_unet(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    # Stable Diffusion's "attention_head_dim" is the number of heads
    heads = _whole(content, path, "attention_head_dim", HalloConfig.heads)
    groups = _whole(content, path, "norm_num_groups", HalloConfig.groups)
    return {
        "channels": _widths(content, path),
        "layers": _whole(content, path, "layers_per_block", HalloConfig.layers),
        "heads": heads,
        "groups": groups,
        "motion_heads": heads,
        "motion_groups": groups,
        "cross_dim": _whole(content, path, "cross_attention_dim"),
        "latent_channels": _whole(content, path, "in_channels", HalloConfig.latent_channels),
        "latent_size": _whole(content, path, "sample_size"),
    }


def _from_vae(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return {
        "vae_channels": _widths(content, path),
        "vae_layers": _whole(content, path, "layers_per_block"),
        "vae_groups": _whole(content, path, "norm_num_groups", HalloConfig.vae_groups),
        "latent_channels": _whole(content, path, "latent_channels"),
        "latent_scale": content.get("scaling_factor", HalloConfig.latent_scale),
        "vae_mid_attention": bool(content.get("mid_block_add_attention", True)),
    }


def _from_wav2vec(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return {
        "audio_blocks": _whole(content, path, "num_hidden_layers"),
        "audio_channels": _whole(content, path, "hidden_size"),
    }


def _from_shapes(
    found: Mapping[str, tuple[int, ...]], values: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    def shape(key: str, rank: int) -> tuple[int, ...]:
        if len(found.get(key, ())) != rank:
            raise SilencerError(
                f"{path}: expected {key} with {rank} dimensions, found "
                f"{list(found[key]) if key in found else 'no such tensor'} among {len(found)} "
                "tensors. Is this hallo/net.pth?"
            )
        return found[key]

    hidden, heard = shape("audioproj.proj1.weight", 2)
    (audio_dim,) = shape("audioproj.norm.weight", 1)
    face_out, face_dim = shape("imageproj.proj.weight", 2)
    tables = [
        key
        for key in found
        if key.endswith(
            "motion_modules.0.temporal_transformer"
            ".transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
        )
    ]
    if not tables:
        raise SilencerError(f"{path}: no motion module has a position table (pos_encoder.pe).")
    locator = [shape("face_locator.conv_in.weight", 4)[0]]
    while f"face_locator.blocks.{2 * len(locator) - 1}.weight" in found:
        locator.append(shape(f"face_locator.blocks.{2 * len(locator) - 1}.weight", 4)[0])

    feature = values["audio_blocks"] * values["audio_channels"]
    window = heard // feature
    if heard % feature or window % 2 == 0:
        raise SilencerError(
            f"{path}: audioproj takes {heard} numbers, which is no odd number of frames of "
            f"{values['audio_blocks']} x {values['audio_channels']} (num_hidden_layers x "
            "hidden_size in wav2vec's config.json): they belong to different generators."
        )
    return {
        "face_dim": face_dim,
        "face_tokens": face_out // values["cross_dim"],
        "face_locator_channels": locator,
        "audio_hidden": hidden,
        "audio_dim": audio_dim,
        "audio_tokens": shape("audioproj.proj3.weight", 2)[0] // audio_dim,
        "audio_margin": window // 2,
        "motion_positions": shape(tables[0], 3)[1],
    }
