"""Muon and AdamW as one optimiser, and gradients shared by processes."""

import pytest
import torch
import torch.multiprocessing as processes
from torch import nn

from silencer_core.generators.mini.descent import leads, share_gradients
from silencer_core.generators.mini.muon import Muon, MuonAdamW, orthogonal


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.SiLU(), nn.Flatten(), nn.Linear(64, 16, bias=True))


def loss_of(net: nn.Module) -> torch.Tensor:
    x = torch.randn(32, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return (net(x) - x.flatten(1)[:, :16]).square().mean()


def descended(net: nn.Module, optimiser: MuonAdamW, steps: int) -> float:
    for _ in range(steps):
        optimiser.zero_grad()
        loss_of(net).backward()
        optimiser.step()
    return loss_of(net).item()


def test_it_descends():
    net = small_net()
    before = loss_of(net).item()
    assert descended(net, MuonAdamW(net, 3e-3), 60) < 0.7 * before


def test_every_parameter_moves():
    net = small_net()
    before = [p.clone() for p in net.parameters()]
    descended(net, MuonAdamW(net, 3e-3), 1)
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize("shape", [(8, 24), (24, 8)])
def test_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    found = torch.linalg.svdvals(orthogonal(matrix))
    assert 0.6 < found.min() < found.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="needs torch 2.9")
def test_muon_is_that_of_torch():
    random = torch.Generator().manual_seed(3)
    start, gradients = (torch.randn(n, 20, generator=random) for n in (12, 36))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimisers = (
        Muon([ours], 0.1),
        torch.optim.Muon([theirs], lr=0.1, weight_decay=1e-2, adjust_lr_fn="match_rms_adamw"),
    )
    for gradient in gradients.split(12):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimiser in optimisers:
            optimiser.step()
    assert (ours - start).abs().mean() > 0.03
    assert (ours - theirs).abs().max() < 0.003  # bfloat16


def test_its_state_goes_on():
    whole = small_net()
    descended(whole, MuonAdamW(whole, 3e-3), 6)
    first = small_net()
    optimiser = MuonAdamW(first, 3e-3)
    descended(first, optimiser, 3)
    state, second = optimiser.state_dict(), small_net()
    second.load_state_dict(first.state_dict())
    again = MuonAdamW(second, 3e-3)
    again.load_state_dict(state)
    descended(second, again, 3)
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)


def one_of_two(rank: int, folder: str) -> None:
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    net = nn.Linear(2, 1)
    net.weight.grad = torch.full_like(net.weight, float(rank))
    share_gradients(net)
    torch.save((net.weight.grad, net.bias.grad, leads()), f"{folder}/{rank}.pt")


def test_two_processes_share_the_mean_gradient(tmp_path):
    processes.spawn(one_of_two, (str(tmp_path),), 2)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for weight, bias, _ in found:
        assert weight.eq(0.5).all()
        assert bias.eq(0).all()
    assert [first for *_, first in found] == [True, False]
