"""The shipped workflows with so little to do that a test can wait for them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from install import PACK

WORKFLOWS = sorted((PACK / "workflows").glob("*.json"))
FEW = {
    "SilencerExampleSpeech": {"seconds": 0.64},  # one clip
    "SilencerProtectPortrait": {"preset": "fast", "steps": 1, "latent_steps": 1},
    "SilencerNullifyAudioLoss": {"frames": 1, "denoising_steps": 1},
    "SilencerInvertLatent": {"steps": 20, "depth": 1},
    "SilencerAttack": {"steps": 1, "guidance": 1.0},
    "SilencerScoreProtection": {
        "purify": "none",
        "guidance": "1",
        "frames": 16,
        "controls": False,
    },
}
SHARPEN = {"sharpen_radius": 1, "sigma": 1.0, "alpha": 1.0}


def workflow(name: str) -> dict[str, Any]:
    """A shipped workflow, by its name."""
    return json.loads((PACK / "workflows" / f"{name}.json").read_text())


def fewer(prompt: dict[str, Any]) -> dict[str, Any]:
    """The same prompt with `FEW` in the place of what it has; links stay.

    One step may find nothing better than the untouched photo, and Score Protection refuses two
    equal photos; so the one that it is given as protected is sharpened first.
    """
    reduced = deepcopy(prompt)
    for id, node in prompt.items():
        for name, value in FEW.get(node["class_type"], {}).items():
            if not isinstance(node["inputs"].get(name), list):
                reduced[id]["inputs"][name] = value
        if node["class_type"] == "SilencerScoreProtection":
            sharpened = {"image": node["inputs"]["after"], **SHARPEN}
            reduced[f"{id}-sharpened"] = {"class_type": "ImageSharpen", "inputs": sharpened}
            reduced[id]["inputs"]["after"] = [f"{id}-sharpened", 0]
    return reduced
