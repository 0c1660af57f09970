"""benchmarks/ablations.py: one setting is changed at a time."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def ablations(benchmark_script):
    return benchmark_script("ablations")


def test_no_two_variants_are_the_same(ablations):
    assert len(set(map(repr, ablations.VARIANTS.values()))) == len(ablations.VARIANTS)


def test_few_voices_are_the_first(ablations):
    class Hears:
        def bind(self, generator, portrait, audio, seed):
            return audio

    assert ablations.FewVoices(Hears(), 2).bind(None, None, ["a", "b", "c"]) == ["a", "b"]
