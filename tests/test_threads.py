"""A small generator works on one thread, and leaves everything else its own."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_generator

from silencer_core.threads import few_threads


@pytest.fixture
def two_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_thread_within_and_as_many_as_before_after(two_threads):
    with few_threads(tiny_generator()):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_a_number_that_was_asked_for_stays(two_threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with few_threads(tiny_generator()):
        assert torch.get_num_threads() == 2


def test_after_an_error_too(two_threads):
    with pytest.raises(KeyError), few_threads(tiny_generator()):
        raise KeyError
    assert torch.get_num_threads() == 2
