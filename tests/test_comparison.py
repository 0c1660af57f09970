"""benchmarks/comparison.py: every method in one table, ours against each of the others."""

from __future__ import annotations

import importlib
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from silencer_core.bench_protect import Tried


@pytest.fixture(scope="module")
def comparison(benchmark_script):
    return benchmark_script("comparison")


@pytest.fixture
def found(comparison):
    told = dict.fromkeys((field.name for field in fields(Tried)), 0.5)
    one = Tried(**told | {"purify": "none", "guidance": 2.0, "noise_gain_ratio": 0.9})
    left = {comparison.EQUAL_LINF: 0.1, comparison.LESS_VISIBLE: 0.2}
    return [
        replace(one, preset=name, portrait=portrait, gain_ratio=left.get(name, 0.7))
        for portrait in "ab"
        for name in reversed(comparison.METHODS)
    ]


def test_every_clean_up_has_a_store_of_its_own(comparison):
    stores = [comparison.store_of(purify, Path()).name for purify in comparison.PURIFIERS]
    assert len(set(stores)) == len(comparison.PURIFIERS)
    assert "jpeg75+resize0.5.jsonl" in stores


def test_tables_list_ours_first_and_every_method_once(comparison, found, tmp_path):
    comparison.write_tables(found, tmp_path)
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert [row["preset"] for row in rows] == list(comparison.METHODS)


def test_an_unfinished_clean_up_is_not_in_the_tables(comparison, found, tmp_path):
    some = [replace(one, purify="blur:1") for one in found if one.preset != comparison.EQUAL_LINF]
    comparison.write_tables(found + some, tmp_path)
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert {row["purify"] for row in rows} == {"none"}


@pytest.mark.parametrize(
    ("table", "ours", "beyond"), [("comparison", "strong", 0.6), ("less_visible", "balanced", 0.5)]
)
def test_each_of_ours_meets_all_others_and_noise(comparison, found, tmp_path, table, ours, beyond):
    comparison.write_tables(found, tmp_path)
    duels = json.loads((tmp_path / f"{table}.json").read_text())["duels"]
    left = {row["preset"]: row["gain_ratio"]["median"] for row in duels}
    assert set(left) == {*comparison.METHODS[2:], comparison.NOISE}
    assert left.pop(comparison.NOISE) == pytest.approx(beyond + 0.2, abs=1e-6)
    assert list(left.values()) == pytest.approx([beyond] * len(left))


def test_another_generator_attacks_what_the_first_is_protected_against(comparison, tmp_path):
    file = Path(__file__).parent / "assets" / "second.safetensors"
    bench = comparison.Bench(tmp_path, tmp_path, ("strong",), 1, (2.0,), 1, file)
    channels = [one.config.latent_channels for one in (bench.trial.generator, bench.trial.attacker)]
    assert channels == [32, 24]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crew_answers_in_the_jobs_order(comparison, tmp_path, monkeypatch, workers):
    (tmp_path / "echo_bench.py").write_text(
        "class Echo:\n    def attack(self, number, what):\n        return what * number\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    echo = importlib.import_module("echo_bench").Echo()
    with comparison.crew(echo, workers) as work:
        assert list(work([(n, "ha") for n in (3, 1, 2)])) == ["hahaha", "ha", "haha"]
