"""benchmarks/protection.py: what it compares is in one budget, and what it found is kept."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace

import pytest
import torch
from tiny import drawn_photo, tiny_generator

from silencer_core.bench_protect import Protected, Trial, Tried, rows
from silencer_core.errors import SilencerError
from silencer_core.objectives.baselines import BASELINES
from silencer_core.optimise.budget import Budget
from silencer_core.photo import Photo
from silencer_core.presets import PRESETS, Preset

BUDGET = Budget(8 / 255)


@pytest.fixture(scope="module")
def benchmark(benchmark_script):
    return benchmark_script("protection")


def figures(preset: str, portrait: str, purify: str = "none") -> Tried:
    names = {field.name: 0.5 for field in fields(Tried)}
    told = {"preset": preset, "portrait": portrait, "purify": purify, "guidance": 2.0}
    return Tried(**names | told)


@dataclass(frozen=True)
class Toy:
    """A trial that notes what it was asked for."""

    presets: list[Preset]
    asked: list
    purifiers: tuple = ("none",)
    guidances: tuple = (2.0,)

    def __call__(self, number, name, photo):
        self.asked.append((name, [one.name for one in self.presets]))
        return [figures(one.name, name, p) for one in self.presets for p in self.purifiers]


@pytest.mark.parametrize("name", [*PRESETS, *BASELINES])
def test_every_method_has_the_same_budget(benchmark, name):
    found = benchmark.method(name, BUDGET)
    assert (found.name, found.budget) == (name, BUDGET)
    assert benchmark.method(f"{name}@7", BUDGET).descent.steps == 7


def test_a_method_may_have_other_steps_stages_and_changes(benchmark):
    found = benchmark.method("strong%0.5@0+80*0.05~24", BUDGET)
    assert found.objective.diffusion == 0.5
    assert (found.descent.steps, found.latent.steps) == (0, 80)
    assert found.latent.learning_rate == 0.05
    assert found.budget == Budget(24 / 255)


def test_without_a_budget_presets_have_their_own(benchmark):
    assert benchmark.method("strong").budget == PRESETS["strong"].budget
    assert benchmark.method("AdvDM (+)").budget == Budget(16 / 255)


@pytest.mark.parametrize("name", ["balanced", "strong"])
def test_presets_that_were_replaced_are_still_there(benchmark, name):
    found = benchmark.method(f"{name} before")
    assert found.descent.norm == "linf"
    assert found.objective.diffusion < PRESETS[name].objective.diffusion


def test_what_sees_no_clean_ups_has_no_share_of_them(benchmark):
    with pytest.raises(SilencerError, match="sees no clean-ups"):
        benchmark.method("AdvDM (+)%0.5", BUDGET)


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


def test_a_further_clean_up_is_measured_for_all(benchmark, tmp_path):
    store, photos = tmp_path / "found.jsonl", [("a", None)]
    presets = [benchmark.method(name, BUDGET) for name in ("fast", "strong")]
    list(benchmark.measured(Toy(presets[:1], []), photos, store, 1))
    wider = Toy(presets, [], ("none", "jpeg:75"))
    list(benchmark.measured(wider, photos, store, 1))
    assert wider.asked == [("a", ["strong"]), ("a", ["fast", "strong"])]
    found = [(one.preset, one.purify) for one in benchmark.stored(store)]
    assert sorted(found) == sorted(set(found))
    assert len(found) == 4


def test_a_kept_photo_is_not_protected_again(benchmark, tmp_path, monkeypatch):
    generator, photo = tiny_generator(), Photo(drawn_photo())
    chosen, made = benchmark.method("fast", BUDGET), []

    def protected(trial, number, name, photo, chosen):
        made.append((name, number))
        return Protected(photo.pixels * 0, 40.0, 0.9, 1.0, 2.0)

    monkeypatch.setattr(Trial, "protected", protected)
    trial = benchmark.KeepingTrial(generator, [], [chosen], [], [], folder=tmp_path)
    first = trial.protected(0, "a.jpg", photo, chosen)
    again = trial.protected(0, "a.jpg", photo, chosen)
    assert torch.equal(first.pixels, again.pixels)
    assert again.cpu_seconds == 2.0
    trial.protected(1, "a.jpg", photo, chosen)
    trial.protected(0, "a.jpg", photo, benchmark.method("fast@3", BUDGET))
    replace(trial, generator=tiny_generator(seed=1)).protected(0, "a.jpg", photo, chosen)
    assert made == [("a.jpg", 0), ("a.jpg", 1), ("a.jpg", 0), ("a.jpg", 0)]


def test_rows_hold_medians_over_portraits(benchmark):
    found = [
        Tried(**asdict(figures("fast", name)) | {"gain_ratio": gain, "guidance": 2.0})
        for name, gain in (("a", 0.1), ("b", 0.2), ("c", 0.9))
    ]
    (row,) = rows(found)
    assert (row["preset"], row["guidance"], row["portraits"]) == ("fast", 2.0, 3)
    assert row["gain_ratio"]["median"] == 0.2
    assert row["psnr"] == 0.5


def test_the_worst_tenth_stands_beside_that_of_the_preset_before(benchmark):
    lost = {"before": (0.4, 0.8, 0.5), "now": (0.0, -0.2, 0.9)}
    found = [
        replace(figures(preset, name), gain_ratio=gain, gain_unprotected=unprotected)
        for preset, gains in (("strong before", lost["before"]), ("strong~29", lost["now"]))
        for name, gain, unprotected in zip("abc", gains, (0.5, 0.5, 0.0), strict=True)
    ]
    (row,) = benchmark.tails([*found, figures("fast", "a")])
    assert (row["preset"], row["beside"]) == ("strong~29", "strong before")
    assert (row["purify"], row["guidance"]) == ("none", 2.0)
    assert row["gain_ratio"]["count"] == 2  # c did not speak unprotected
    assert row["gain_ratio"]["before"] == pytest.approx(0.76)
    assert row["gain_ratio"]["now"] == pytest.approx(0.18)  # against the speech counts too
    assert row["window_ratio"]["ratio"] == 1


def test_one_of_two_presets_may_stand_with_another_largest_change(benchmark):
    presets = ("strong", "strong~30", "strong before", "strong before~13")
    found = [figures(preset, name) for preset in presets for name in "ab"]
    assert [(row["preset"], row["beside"]) for row in benchmark.tails(found)] == [
        ("strong", "strong before"),
        ("strong", "strong before~13"),
        ("strong~30", "strong before"),
    ]


def test_an_attack_may_make_shorter_clips(benchmark):
    generator = tiny_generator()
    shorter = benchmark.with_clips(generator, 2)
    assert shorter.config.clip_frames == 2
    assert generator.config.clip_frames != 2
    assert shorter.net is generator.net


def test_stored_figures_have_four_decimals(benchmark):
    one = replace(figures("fast", "a"), gain_ratio=0.123456)
    assert json.loads(benchmark.line(one))["gain_ratio"] == 0.1235


def test_a_colour_difference_that_was_not_noted_is_not_stored(benchmark, tmp_path):
    old = replace(figures("fast", "a"), delta_e=math.nan)
    (tmp_path / "store.jsonl").write_text(benchmark.line(old))
    (again,) = benchmark.stored(tmp_path / "store.jsonl")
    assert math.isnan(again.delta_e)
    assert "delta_e" not in benchmark.line(again)
