"""The published configuration: its keys and shapes, and that it runs in 24 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.vae import build_vae

ROOT = Path(__file__).resolve().parents[1]
KEYS = ROOT / "../shared/parity/published_keys.json"


@pytest.mark.skipif(not KEYS.exists(), reason=f"no list of published keys at {KEYS}")
@pytest.mark.parametrize(("part", "build"), [("net", HalloNet), ("vae", build_vae)])
def test_published_keys_and_shapes(part, build):
    with torch.device("meta"):
        module = build(HalloConfig())
    found = {name: list(value.shape) for name, value in module.state_dict().items()}
    assert found == json.loads(KEYS.read_text())[part]


@pytest.mark.slow
@pytest.mark.parametrize("size", [128, 256])
def test_full_size_step_in_bfloat16_within_24_gb(size, tmp_path):
    report = tmp_path / "step.json"
    command = ["benchmarks/step.py", "--config", "published", "--dtype", "bfloat16"]
    command += ["--repeats", "1", "--size", str(size), "--json", str(report)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    result = json.loads(report.read_text())["results"]["bfloat16"]
    assert result["peak_mib_above_weights"] + result["weights_mib"] < 24 * 1024
    assert result["seconds"] > 0
