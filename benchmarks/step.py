"""What one Silencer-I gradient step costs: time, memory and operations, part by part.

    python benchmarks/step.py --config mid --size 256 --json step.json

The step is the compatibility mode (`silencer1_step`) with one draw and random weights, as the
reference codes it. Parts are run one after the other with the graph cut between them, so that
the backward of each is timed alone; the whole is timed as a protection runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch.utils.flop_counter import FlopCounterMode

from silencer_core.generators import default_dtype
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.vae import build_vae
from silencer_core.objectives.silencer1 import Draws, Silencer1

CONFIGS = {
    "published": {},
    "mid": {"channels": (64, 128, 256, 256), "vae_channels": (64, 128, 256, 256)},
    "tiny": {
        "channels": (8, 16, 16, 16),
        "vae_channels": (8, 8, 16, 16),
        "face_locator_channels": (4, 8, 8, 16),
        "heads": 2,
        "motion_heads": 2,
        "groups": 4,
        "motion_groups": 4,
        "vae_groups": 4,
        "cross_dim": 16,
        "audio_dim": 16,
        "audio_hidden": 16,
        "audio_channels": 32,
    },
}
PARTS = ("vae", "reference", "denoiser")


def main() -> None:
    args = parse_arguments()
    config = HalloConfig(**CONFIGS[args.config], size=args.size)
    dtypes = args.dtype or ["float32", str(default_dtype(torch.device("cpu")))]
    results = {}
    for name in dict.fromkeys(dtype.removeprefix("torch.") for dtype in dtypes):
        with fresh_process() as pool:  # so that memory is the step's own
            job = pool.submit(measure, config, name, args.threads, args.repeats, args.seed)
            results[name] = job.result()
    agreement = compare(results)
    report = {
        "config": args.config,
        "size": args.size,
        "threads": args.threads,
        "parameters": count_parameters(config),
        "results": {name: result.report for name, result in results.items()},
        "against_float32": agreement,
    }
    print_report(report)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=CONFIGS, default="mid")
    parser.add_argument("--size", type=int, default=256, help="side of the portrait, pixels")
    parser.add_argument(
        "--dtype", action="append", help="may be repeated; default: float32 and the machine's own"
    )
    parser.add_argument("--repeats", type=int, default=5, help="the median is reported")
    parser.add_argument("--threads", type=int, default=1, help="more than one adds waiting")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


@dataclasses.dataclass
class Result:
    report: dict
    loss: float
    gradient: torch.Tensor


def fresh_process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def measure(config: HalloConfig, dtype_name: str, threads: int, repeats: int, seed: int) -> Result:
    """Time, memory and operations of a step in one precision."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    dtype = getattr(torch, dtype_name)
    before = resident_mib()
    generator = random_generator(config, dtype)
    forget_peak()
    objective, image, draws = random_inputs(generator, seed)
    step = objective.step(image, draws)  # the first one also prepares constants and kernels
    peak = peak_mib() - before - weights_mib(generator)

    whole = [clocked(lambda: objective.step(image, draws))[0] for _ in range(repeats)]
    parts = [run_parts(objective, image, draws) for _ in range(repeats)]
    counter = FlopCounterMode(display=False)
    with counter:
        objective.step(image, draws)
    rate = matmul_rate(dtype)
    seconds = median([run["seconds"] for run in whole])
    cpu_seconds = median([run["cpu_seconds"] for run in whole])
    flops = counter.get_total_flops()
    report = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib_above_weights": peak,
        "weights_mib": weights_mib(generator),
        "parts": {
            name: {
                clock: median([run[name][clock] for run in parts])
                for clock in ("forward_cpu_seconds", "backward_cpu_seconds")
            }
            for name in PARTS
        },
        "gflop": flops / 1e9,
        "gflop_per_cpu_second": flops / 1e9 / cpu_seconds,
        "matmul_gflop_per_second": rate,
        "share_of_matmul_rate": flops / 1e9 / cpu_seconds / rate,
    }
    return Result(report, step.loss, step.gradient)


def random_generator(config: HalloConfig, dtype: torch.dtype) -> Hallo:
    """Random weights made in place; none is zero, or the audio would cost nothing."""
    with torch.device("meta"):
        modules = HalloNet(config), build_vae(config)
    for module in modules:
        torch.nn.Module.to(module, dtype).to_empty(device="cpu")
        for name, value in module.state_dict().items():
            fill(name, value)
    return Hallo(*modules)


def fill(name: str, value: torch.Tensor) -> None:
    """Weights of unit gain, norms of one, biases of zero."""
    if value.ndim > 1:
        value.normal_(std=value[0].numel() ** -0.5)
    elif "norm" in name and name.endswith("weight"):
        value.fill_(1)
    else:
        value.zero_()


def random_inputs(generator: Hallo, seed: int) -> tuple[Silencer1, torch.Tensor, Draws]:
    config = generator.config
    source = torch.Generator().manual_seed(seed)
    sides = [config.latent_size >> level for level in range(config.levels)]
    region = torch.zeros(3, config.size, config.size)
    region[:, config.size // 4 : -config.size // 4, config.size // 4 : -config.size // 4] = 1
    condition = generator.condition_on(
        torch.randn(config.face_dim, generator=source),
        region,
        [torch.rand(3, side * side, generator=source) for side in sides],
    )
    image = torch.rand(3, config.size, config.size, generator=source) * 2 - 1
    shape = (config.window, config.audio_blocks, config.audio_channels)
    heard = torch.randn(2, *shape, generator=source)
    draws = Draws.sample(generator, heard, source, drop_audio=0)
    return Silencer1(generator, condition), image, draws


def run_parts(objective: Silencer1, image: torch.Tensor, draws: Draws) -> dict:
    """Forward and backward of autoencoder, reference and denoiser, each alone."""
    generator = objective.generator
    image = image.clone().requires_grad_()
    vae, posterior = clocked(lambda: generator.posterior(image[None]))
    moments = posterior.parameters.detach().requires_grad_()
    cut = DiagonalGaussianDistribution(moments)

    reference, features = clocked(lambda: objective.reference(cut, draws))
    read = {name: x.detach().requires_grad_() for name, x in features.portrait.items()}

    def denoise() -> torch.Tensor:
        noisy, target = objective.target(cut, draws)
        prediction = generator.predict(
            noisy,
            torch.tensor([draws.timestep]),
            objective.condition,
            objective.audio(draws),
            ReferenceFeatures(read, features.motion),
            forward=objective.forward,
        )
        return F.mse_loss(prediction, target)

    denoiser, loss = clocked(denoise)
    written, reading = list(features.portrait.values()), list(read.values())
    denoiser_back, grads = clocked(lambda: torch.autograd.grad(loss, reading))
    reference_back, (grad,) = clocked(lambda: torch.autograd.grad(written, moments, grads))
    vae_back, _ = clocked(lambda: torch.autograd.grad(posterior.parameters, image, grad))
    forwards, backwards = (vae, reference, denoiser), (vae_back, reference_back, denoiser_back)
    return {
        name: {
            "forward_cpu_seconds": forward["cpu_seconds"],
            "backward_cpu_seconds": backward["cpu_seconds"],
        }
        for name, forward, backward in zip(PARTS, forwards, backwards, strict=True)
    }


T = TypeVar("T")


def clocked(work: Callable[[], T]) -> tuple[dict[str, float], T]:
    """Wall and CPU seconds of some work, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }
    return seconds, result


def forget_peak() -> None:
    """Make the peak of resident memory start from now; possible on Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def resident_mib() -> float:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_mib()
    return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20


def matmul_rate(dtype: torch.dtype, side: int = 1024) -> float:
    """GFLOP per CPU second of a large matrix product on this machine, the best of some."""
    a, b = torch.randn(2, side, side).to(dtype)
    best = min(clocked(lambda: a @ b)[0]["cpu_seconds"] for _ in range(10))
    return 2 * side**3 / 1e9 / best


def weights_mib(generator: Hallo) -> float:
    modules = (generator.net, generator.vae)
    return sum(x.nbytes for module in modules for x in module.state_dict().values()) / 2**20


def count_parameters(config: HalloConfig) -> dict[str, int]:
    with torch.device("meta"):
        modules = {"net": HalloNet(config), "vae": build_vae(config)}
    return {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}


def compare(results: dict[str, Result]) -> dict:
    """How far other precisions are from float32."""
    exact = results.get("float32")
    if exact is None:
        return {}
    return {
        name: {
            "loss_difference": abs(result.loss - exact.loss),
            "gradient_sign_equal": (result.gradient.sign() == exact.gradient.sign())
            .float()
            .mean()
            .item(),
        }
        for name, result in results.items()
        if result is not exact
    }


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def print_report(report: dict) -> None:
    millions = {name: count / 1e6 for name, count in report["parameters"].items()}
    print(
        f"{report['config']} at {report['size']} px, {millions['net']:.1f} M net + "
        f"{millions['vae']:.1f} M vae, {report['threads']} thread(s)"
    )
    for name, result in report["results"].items():
        print(
            f"{name}: {result['seconds']:.2f} s, {result['cpu_seconds']:.2f} CPU s, "
            f"{result['peak_mib_above_weights']:.0f} MiB above {result['weights_mib']:.0f} MiB "
            "of weights"
        )
        for part, clocks in result["parts"].items():
            forward, backward = clocks["forward_cpu_seconds"], clocks["backward_cpu_seconds"]
            print(f"  {part:9} forward {forward:.2f}  backward {backward:.2f} CPU s")
        print(
            f"  {result['gflop']:.0f} GFLOP, {result['gflop_per_cpu_second']:.0f} GFLOP/s, "
            f"{result['share_of_matmul_rate']:.0%} of this machine's "
            f"{result['matmul_gflop_per_second']:.0f} GFLOP/s matmul"
        )
    for name, values in report["against_float32"].items():
        print(
            f"{name} against float32: gradient sign equal in "
            f"{values['gradient_sign_equal']:.1%} of values, "
            f"loss off by {values['loss_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
