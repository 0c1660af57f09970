"""Which precision a training computes in."""

from __future__ import annotations

import torch


def mixed_precision() -> torch.autocast:
    """bfloat16 for matrix products where the processor has the vectors for it, else float32.

    Emulated, on an x86 processor with AVX2 alone, bfloat16 is thirty times slower than float32.
    """
    native = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.autocast("cpu", torch.bfloat16, enabled=native)
