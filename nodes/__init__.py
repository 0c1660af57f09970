"""The nodes: thin adapters between ComfyUI's wires and `silencer_core`.

Heavy imports stay within `execute`, so that ComfyUI starts as fast as without the pack.
"""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .attack import Attack
from .compare import CompareAttacks, ComparePhotos
from .examples import ExamplePortrait, ExampleSpeech
from .find import DrivingAudio, FindPortrait
from .folder import ProtectFolder
from .frames import ScoreFrames
from .invert import InvertLatent
from .load import LoadGenerator
from .models import register_folder
from .objectives import AntiPurify, BaselineLoss, CombineObjectives, NullifyAudioLoss
from .protect import ProtectPortrait
from .purify import NoiseControl, PurifyImage
from .score import ScoreProtection

NODES: list[type[io.ComfyNode]] = [
    LoadGenerator,
    FindPortrait,
    DrivingAudio,
    InvertLatent,
    NullifyAudioLoss,
    AntiPurify,
    CombineObjectives,
    BaselineLoss,
    ProtectPortrait,
    ProtectFolder,
    PurifyImage,
    NoiseControl,
    Attack,
    ScoreProtection,
    ScoreFrames,
    ComparePhotos,
    CompareAttacks,
    ExamplePortrait,
    ExampleSpeech,
]


class Silencer(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes; ComfyUI learns before where generators lie, since their names are shown."""
        register_folder()
        return NODES
