"""Weight files on disk: what is in them, tensors read from them, safetensors written.

Formats: safetensors, and PyTorch's pickles (zip and legacy), which are read without executing
anything. The first bytes tell the format, not the name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.files import whole

_SAFETENSORS_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_SAFETENSORS_NAMES = {dtype: name for name, dtype in _SAFETENSORS_DTYPES.items()}
_REMEDY = "Fetch the file again."


@dataclasses.dataclass(frozen=True)
class Header:
    """Shape and dtype of one stored tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class WeightFile:
    """An open weight file: a header per key, and tensors that may still be mapped from disk.

    Attributes:
        headers: every key with its shape and dtype, in the order of the file.
        metadata: the text stored in a safetensors header; empty for a pickle.
        mapped: whether tensors are read on access. A legacy pickle is read as a whole instead.
    """

    headers: dict[str, Header]
    metadata: dict[str, str]
    mapped: bool = True

    def take(self, key: str) -> Tensor:
        """The tensor of `key`, at most once. It may alias the file: copy it before closing."""
        raise NotImplementedError


class _Safetensors(WeightFile):
    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            self._file = safe_open(str(path), framework="pt")
            names = {key: self._file.get_slice(key) for key in self._file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise SilencerError(
                f"{path} is truncated or damaged: it begins like a safetensors file of which "
                f"{path.stat().st_size} bytes are there ({error}). {_REMEDY}"
            ) from error
        self.metadata = self._file.metadata() or {}
        self.headers = {}
        for key, part in names.items():
            dtype = _SAFETENSORS_DTYPES.get(part.get_dtype())
            if dtype is None:
                raise SilencerError(
                    f"{path}: {key} is stored as {part.get_dtype()}; read are "
                    f"{', '.join(_SAFETENSORS_DTYPES)}. Convert the file first."
                )
            self.headers[key] = Header(tuple(part.get_shape()), dtype)

    def take(self, key: str) -> Tensor:
        return self._file.get_tensor(key)


class _Pickle(WeightFile):
    def __init__(self, path: Path, mapped: bool) -> None:
        self.metadata, self.mapped = {}, mapped
        self._tensors = _tensors_of(_unpickle(path, mapped), path)
        self.headers = {
            key: Header(tuple(value.shape), value.dtype) for key, value in self._tensors.items()
        }

    def take(self, key: str) -> Tensor:
        return self._tensors.pop(key)


def open_weights(path: str | Path) -> WeightFile:
    """Opens `path` (safetensors, or a PyTorch pickle of tensors) and reads its headers only.

    A dict of tensors nested under "state_dict" is accepted. Values are not read before
    `WeightFile.take`, except from PyTorch's legacy (before 1.6) format.

    Raises:
        SilencerError: if there is no such file, it is empty, truncated, of another type, holds
            something else than plain tensors, or asks to run code (nothing is executed).
    """
    path = Path(path)
    if not path.is_file():
        raise SilencerError(f"{path}: no such weight file.")
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise SilencerError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise SilencerError(f"{path} is empty (0 bytes). {_REMEDY}")
    if start.startswith(b"PK\x03\x04"):
        return _Pickle(path, mapped=True)
    if start[8:9] == b"{":
        return _Safetensors(path)
    if start.startswith(b"\x80"):
        return _Pickle(path, mapped=False)
    if start.startswith(b"version https://git-lfs"):
        raise SilencerError(
            f"{path} is a Git LFS pointer, not the weights it points to. Run `git lfs pull` in "
            "that folder, or download the file itself."
        )
    raise SilencerError(
        f"{path} is not a weight file: expected safetensors or a PyTorch checkpoint, found "
        f"{path.stat().st_size} bytes that begin with {start[:16]!r}. {_REMEDY}"
    )


def shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Key to shape of every tensor in `path`, from the headers. Raises as `open_weights`."""
    return {key: header.shape for key, header in open_weights(path).headers.items()}


def save_safetensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes `tensors` (any layout and device) as safetensors, beside `path` and then renamed."""
    headers = {key: Header(tuple(value.shape), value.dtype) for key, value in tensors.items()}
    with safetensors_writer(path, headers, metadata) as write:
        for key in write.order:
            write(key, tensors[key])


class _Writer:
    def __init__(self, file, headers: Mapping[str, Header], metadata: Mapping[str, str]) -> None:
        # widest values first keeps every tensor aligned, as the safetensors library does
        self.order = sorted(headers, key=lambda key: (-headers[key].dtype.itemsize, key))
        self._headers, self._file, self._starts = headers, file, {}
        table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
        end = 0
        for key in self.order:
            header, start = headers[key], end
            end = start + header.nbytes
            self._starts[key] = start
            table[key] = {
                "dtype": _SAFETENSORS_NAMES[header.dtype],
                "shape": header.shape,
                "data_offsets": [start, end],
            }
        text = json.dumps(table, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file.write(len(text).to_bytes(8, "little") + text)
        self._data, self._left = file.tell(), set(headers)
        file.truncate(self._data + end)

    def __call__(self, key: str, tensor: Tensor) -> None:
        header = self._headers[key]
        if (tuple(tensor.shape), tensor.dtype) != (header.shape, header.dtype):
            raise ValueError(f"{key}: announced as {header}, given {tensor.shape} {tensor.dtype}")
        self._file.seek(self._data + self._starts[key])
        if header.nbytes:
            values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            self._file.write(values.numpy().data)
        self._left.remove(key)

    def finish(self) -> None:
        if self._left:
            raise ValueError(f"announced, but never written: {sorted(self._left)[:3]}")


@contextlib.contextmanager
def safetensors_writer(
    path: str | Path, headers: Mapping[str, Header], metadata: Mapping[str, str] | None = None
) -> Iterator[_Writer]:
    """A safetensors file written tensor by tensor, so that it may be larger than the memory.

    Yields a callable `write(key, tensor)` for every announced key once, in any order;
    `write.order` lists the keys in the order of the file. The file appears under its name when
    the block ends without an exception; otherwise nothing is left behind.

    Source of the format: https://github.com/huggingface/safetensors#format

    Raises:
        SilencerError: if the file cannot be written (folder missing, disk full).
    """
    with whole(Path(path)) as beside, beside.open("wb") as file:
        writer = _Writer(file, headers, metadata or {})
        yield writer
        writer.finish()


def _unpickle(path: Path, mapped: bool) -> object:
    """`torch.load` with weights only. A hostile or damaged pickle can raise anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; the outcome says enough
            return torch.load(str(path), map_location="cpu", mmap=mapped, weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        refused = re.search(r"GLOBAL `?([\w.]+)", str(error))
        if refused:
            raise SilencerError(
                f"{path} is refused: its pickle asks for {refused[1]}, and a weight file may hold "
                "tensors only. Nothing was executed. Take the file from its original source, "
                "preferably as safetensors."
            ) from error
        lines = [line for line in str(error).splitlines() if "Unsupported" in line] or [
            str(error).partition("\n")[0] or type(error).__name__
        ]
        raise SilencerError(
            f"{path} is truncated, damaged or not a PyTorch checkpoint: expected tensors, found "
            f"{path.stat().st_size} bytes that cannot be read ({lines[0][:200]}). Nothing was "
            f"executed. {_REMEDY}"
        ) from error


def _tensors_of(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise SilencerError(
            f"{path} holds a {type(content).__name__}; expected a dict of tensors (a state_dict)."
        )
    for key, value in content.items():
        plain = isinstance(value, Tensor) and value.layout is torch.strided
        if not (isinstance(key, str) and plain and value.device.type == "cpu"):
            raise SilencerError(
                f"{path}: entry {key!r} is a {type(value).__name__}; expected a dict of plain "
                "tensors (a state_dict). Save model.state_dict() instead."
            )
    return dict(content)
