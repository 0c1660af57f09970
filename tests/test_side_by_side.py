"""Work on several threads is differentiated as if there were one."""

import pytest
import torch

from silencer_core.side_by_side import side_by_side

FUNCTIONS = [lambda a, b: (a * b).sin(), lambda a, b: (a - 2).exp(), lambda a, b: a @ b]


@pytest.fixture(params=["1", "4"])
def threads(request, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)


@pytest.fixture
def inputs():
    random = torch.Generator().manual_seed(0)
    return [torch.randn(5, 5, generator=random, requires_grad=True) for _ in range(2)]


def weighed(results) -> torch.Tensor:
    return sum((k + 1) * one.square().sum() for k, one in enumerate(results))


def test_values_and_gradients_are_the_plain_ones(threads, inputs):
    plain = [function(*inputs) for function in FUNCTIONS]
    wanted = torch.autograd.grad(weighed(plain), inputs)
    results = side_by_side(FUNCTIONS, *inputs)
    found = torch.autograd.grad(weighed(results), inputs)
    assert all(torch.equal(a, b) for a, b in zip(results, plain, strict=True))
    assert all(torch.allclose(a, b) for a, b in zip(found, wanted, strict=True))


def test_an_input_that_nothing_reads_has_no_gradient(threads, inputs):
    (result,) = side_by_side(FUNCTIONS[1:2], *inputs)
    first, second = torch.autograd.grad(result.sum(), inputs, allow_unused=True)
    assert first is not None
    assert second is None


def test_without_gradients_nothing_is_kept(threads, inputs):
    with torch.no_grad():
        results = side_by_side(FUNCTIONS, *(one.detach() for one in inputs))
    assert not any(one.requires_grad for one in results)


def test_gradients_under_the_host_s_inference_mode(threads, inputs):
    """ComfyUI runs nodes so; threads begin in a mode of their own."""
    with torch.inference_mode(), torch.inference_mode(False), torch.enable_grad():
        found = torch.autograd.grad(weighed(side_by_side(FUNCTIONS, *inputs)), inputs)
    assert all(one.isfinite().all() for one in found)


def test_an_error_of_one_is_raised(threads, inputs):
    def fails(a, b):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        side_by_side([FUNCTIONS[0], fails], *inputs)
