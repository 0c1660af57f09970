"""Figures in the documents are those that were measured."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_tables_match_the_stored_results():
    script = ROOT / "benchmarks" / "card.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False)
    assert done.returncode == 0, "run python benchmarks/card.py"
