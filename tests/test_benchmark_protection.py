"""benchmarks/protection.py: what it compares is in one budget, and what it found is kept."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pytest

from silencer_core.bench_protect import Tried, rows
from silencer_core.errors import SilencerError
from silencer_core.objectives.baselines import BASELINES
from silencer_core.optimise.budget import Budget
from silencer_core.presets import PRESETS, Preset

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "protection.py"
BUDGET = Budget(8 / 255)


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PATH.parent)
        yield importlib.import_module(PATH.stem)


def figures(preset: str, portrait: str) -> Tried:
    names = {field.name: 0.5 for field in fields(Tried)}
    return Tried(**names | {"preset": preset, "portrait": portrait, "purify": "none"})


@dataclass(frozen=True)
class Toy:
    """A trial that notes what it was asked for."""

    presets: list[Preset]
    asked: list

    def __call__(self, number, name, photo):
        self.asked.append((name, [one.name for one in self.presets]))
        return [figures(one.name, name) for one in self.presets]


@pytest.mark.parametrize("name", [*PRESETS, *BASELINES])
def test_every_method_has_the_same_budget(benchmark, name):
    found = benchmark.method(name, BUDGET)
    assert (found.name, found.budget) == (name, BUDGET)
    assert benchmark.method(f"{name}@7", BUDGET).descent.steps == 7


def test_a_method_may_have_other_steps_stages_and_changes(benchmark):
    found = benchmark.method("strong@0+80~24", BUDGET)
    assert (found.descent.steps, found.latent.steps) == (0, 80)
    assert found.budget == Budget(24 / 255)


def test_an_unknown_method_is_refused(benchmark):
    with pytest.raises(SilencerError, match="Silencer-I as coded"):
        benchmark.method("magic", BUDGET)


def test_only_what_is_missing_is_measured(benchmark, tmp_path):
    store, photos = tmp_path / "found.jsonl", [("a", None), ("b", None)]
    first = Toy([benchmark.method("fast", BUDGET)], [])
    assert list(benchmark.measured(first, photos, store, 1)) == [1, 2]
    store.write_text(store.read_text() + '{"preset": "cut sho')
    second = Toy([benchmark.method(name, BUDGET) for name in ("fast", "strong")], [])
    list(benchmark.measured(second, [*photos, ("c", None)], store, 1))
    assert second.asked == [("a", ["strong"]), ("b", ["strong"]), ("c", ["fast", "strong"])]
    assert {(one.portrait, one.preset) for one in benchmark.stored(store)} == {
        (portrait, preset) for portrait in "abc" for preset in ("fast", "strong")
    }


def test_rows_hold_medians_over_portraits(benchmark):
    found = [
        Tried(**asdict(figures("fast", name)) | {"gain_ratio": gain, "guidance": 2.0})
        for name, gain in (("a", 0.1), ("b", 0.2), ("c", 0.9))
    ]
    (row,) = rows(found)
    assert (row["preset"], row["guidance"], row["portraits"]) == ("fast", 2.0, 3)
    assert row["gain_ratio"]["median"] == 0.2
    assert row["psnr"] == 0.5
