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
    "SilencerNullifyAudioLoss": {"look_at": "single predictions", "frames": 1},
    "SilencerInvertLatent": {"steps": 20, "depth": 1},
    "SilencerAttack": {"steps": 1, "guidance": 1.0},
    "SilencerScoreProtection": {
        "purify": "none",
        "guidance": "1",
        "frames": 16,
        "controls": False,
    },
}


def workflow(name: str) -> dict[str, Any]:
    """A shipped workflow, by its name."""
    return json.loads((PACK / "workflows" / f"{name}.json").read_text())


def fewer(prompt: dict[str, Any]) -> dict[str, Any]:
    """The same prompt with `FEW` in the place of what it has; links stay."""
    reduced = deepcopy(prompt)
    for node in reduced.values():
        for name, value in FEW.get(node["class_type"], {}).items():
            if not isinstance(node["inputs"].get(name), list):
                node["inputs"][name] = value
    return reduced
