"""Weights from a file into a module: strict, in the wanted dtype, without a second copy.

Keys and shapes are compared before any value is read. Values are then copied shard by shard,
and the file is opened anew for each shard, so that the pages mapped for the last one are given
back: the peak is the weights' own size and one shard.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from silencer_core.errors import SilencerError
from silencer_core.weight_files import Header, WeightFile, open_weights, save_safetensors, shapes

__all__ = [
    "Difference",
    "difference",
    "load_into",
    "save_safetensors",
    "shapes",
    "tensors_for",
]

Rename = Callable[[str], "str | None"]
_SMALLEST_SHARD, _LARGEST_SHARD = 16 * 2**20, 256 * 2**20
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the tensors found differ from those expected; false when they do not.

    Attributes:
        expected: how many tensors were expected.
        missing: expected keys that were not found.
        unexpected: keys found that nothing expects.
        changed: (key, expected, found) where shape or kind of number (integer, float) differ.
    """

    expected: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.changed)

    def __str__(self) -> str:
        parts = [
            f"{len(keys)} {kind} ({_first(keys)})"
            for kind, keys in (("missing", self.missing), ("unexpected", self.unexpected))
            if keys
        ]
        if self.changed:
            shown = [f"{key}: expected {want}, found {found}" for key, want, found in self.changed]
            parts.append(f"{len(shown)} of another shape ({_first(shown)})")
        return f"of {self.expected} tensors " + "; ".join(parts) if parts else "all tensors fit"


def difference(
    module: nn.Module,
    path: str | Path,
    *,
    prefix: str = "",
    rename: Rename | None = None,
    optional: Iterable[str] = (),
) -> Difference:
    """Compares the headers in `path` with what `module` wants; no value is read.

    The arguments are those of `load_into`. Raises SilencerError if the file cannot be read.
    """
    return _match(_expected(module), open_weights(path), prefix, rename, optional)[1]


def load_into(
    module: nn.Module,
    path: str | Path,
    *,
    prefix: str = "",
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    rename: Rename | None = None,
    optional: Iterable[str] = (),
) -> None:
    """Fills `module`, built on the meta device, with the weights in `path`.

    Afterwards parameters and buffers are ordinary tensors of their own: none aliases the file,
    none is an inference tensor, also when the call is made inside `torch.inference_mode()`.

    Args:
        module: any module; its own values, if it has some, are replaced, not copied over.
        path: safetensors, or a PyTorch checkpoint (.pth, .pt, .bin, .ckpt).
        prefix: only the keys that begin with it are read, and it is cut off.
        dtype: of floating-point tensors; None keeps the module's. Integers keep the module's.
        device: where the tensors go, one by one.
        rename: from a key of the file (without `prefix`) to one of the module; None leaves the
            key out. Where it changes a key, a 1x1 convolution [C, D, 1, 1] fits a linear [C, D].
        optional: keys that the file may lack; they become zeros.

    Raises:
        SilencerError: if the file cannot be read (see `weight_files.open_weights`), its keys or
            shapes differ from the module's (the first of each kind are named), or a value is
            not finite in the wanted dtype.
    """
    with torch.inference_mode(False), torch.no_grad():
        state = dict(
            tensors_for(
                module,
                path,
                prefix=prefix,
                dtype=dtype,
                device=device,
                rename=rename,
                optional=optional,
            )
        )
        module.load_state_dict(state, strict=True, assign=True)
    unfilled = [name for name, value in module.named_buffers() if value.is_meta]
    if unfilled:
        raise RuntimeError(f"non-persistent buffers cannot be loaded: {unfilled[:_SHOWN]}")


def tensors_for(
    module: nn.Module,
    path: str | Path,
    *,
    prefix: str = "",
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    rename: Rename | None = None,
    optional: Iterable[str] = (),
) -> Iterator[tuple[str, Tensor]]:
    """Yields (key, tensor) for every key of `module`, in the order of the file.

    What `load_into` fills a module with, one tensor at a time. Arguments and errors are the same.
    """
    path, expected = Path(path), _expected(module)
    weights = open_weights(path)
    sources, problem = _match(expected, weights, prefix, rename, optional)
    if problem:
        raise SilencerError(
            f"{path} does not fit {type(module).__name__} as configured: {problem}. Check that "
            "the file and the configuration beside it belong together."
        )

    def target(key: str) -> torch.dtype:
        own = expected[key].dtype
        return dtype if dtype is not None and own.is_floating_point else own

    for key in expected.keys() - sources.keys():
        yield key, torch.zeros(expected[key].shape, dtype=target(key), device=device)
    for shard in _shards(weights, sources):
        weights = weights or open_weights(path)
        for key in shard:
            if sources[key] not in weights.headers:
                raise SilencerError(f"{path} was changed while it was read: load it again.")
            yield (
                key,
                _copy(
                    weights.take(sources[key]),
                    expected[key].shape,
                    target(key),
                    device,
                    f"{path}: {sources[key]}",
                ),
            )
        weights = None  # with the last tensor that aliases it the shard's pages are given back


def _expected(module: nn.Module) -> dict[str, Header]:
    state = module.state_dict()
    return {key: Header(tuple(value.shape), value.dtype) for key, value in state.items()}


def _shards(weights: WeightFile, sources: Mapping[str, str]) -> list[list[str]]:
    """Keys in the order of the file, in runs of 1/32 of what is read, within 16 to 256 MB."""
    keys = {source: key for key, source in sources.items()}
    headers = {key: header for key, header in weights.headers.items() if key in keys}
    if not weights.mapped:
        return [[keys[source] for source in headers]]
    share = sum(header.nbytes for header in headers.values()) // 32
    limit = min(max(share, _SMALLEST_SHARD), _LARGEST_SHARD)
    runs: list[list[str]] = [[]]
    size = 0
    for source, header in headers.items():
        if runs[-1] and size + header.nbytes > limit:
            runs.append([])
            size = 0
        runs[-1].append(keys[source])
        size += header.nbytes
    return runs


def _match(
    expected: Mapping[str, Header],
    weights: WeightFile,
    prefix: str,
    rename: Rename | None,
    optional: Iterable[str],
) -> tuple[dict[str, str], Difference]:
    """Key of the module to key of the file, and what is wrong with that."""
    matched: dict[str, str] = {}
    unexpected, changed = [], []
    for source, header in weights.headers.items():
        if not source.startswith(prefix):
            continue
        plain = source[len(prefix) :]
        key = rename(plain) if rename else plain
        if key is None:
            continue
        if key not in expected or key in matched:
            unexpected.append(source)
            continue
        matched[key] = source
        want, shape = expected[key], header.shape
        if key != plain and len(want.shape) == 2 and shape[2:] == (1, 1):
            shape = shape[:2]
        if shape != want.shape:
            changed.append((source, str(list(want.shape)), str(list(header.shape))))
        elif want.dtype.is_floating_point != header.dtype.is_floating_point:
            changed.append((source, str(want.dtype), str(header.dtype)))
    allowed = matched.keys() | set(optional)
    missing = tuple(prefix + key for key in expected if key not in allowed)
    return matched, Difference(len(expected), missing, tuple(unexpected), tuple(changed))


def _copy(
    value: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str, name: str
) -> Tensor:
    """A copy of `value` in the wanted form, checked to be finite without a second copy."""
    copy = torch.empty(shape, dtype=dtype, device=device)
    copy.copy_(value.view(shape) if value.is_contiguous() else value.reshape(shape))
    if dtype.is_floating_point and copy.numel() and not _finite(copy):
        if _finite(value):
            raise SilencerError(
                f"{name} has values up to {value.abs().max():.3g}, beyond the range of {dtype}: "
                "use bfloat16 or float32."
            )
        raise SilencerError(f"{name} has NaN or infinite values: the file is damaged.")
    return copy


def _finite(value: Tensor) -> bool:
    return all(bool(torch.isfinite(end)) for end in value.aminmax())


def _first(items: Sequence[str]) -> str:
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")
