"""Weight files of every odd kind, made here: name, content, and words of the refusal."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

REFUSED = ""
UNEXECUTED = "refused: its pickle asks for"


@dataclass(frozen=True)
class Case:
    name: str
    content: bytes
    expected: str = REFUSED


def tensors() -> dict[str, torch.Tensor]:
    """The state of `torch.nn.Linear(3, 2)`."""
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def safetensors(header: object, data: bytes = bytes(32), length: int | None = None) -> bytes:
    """A file from its parts; `header` is JSON text or what becomes it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape=(2, 3), start=0, end=24, dtype="F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def whole(legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(tensors(), file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


class Call:
    """Pickles to a call of a function with an argument."""

    def __init__(self, module: str, name: str, *arguments: object) -> None:
        self.call = module, name, arguments

    def __reduce__(self):
        import importlib

        module, name, arguments = self.call
        function = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        return function, arguments


def calls(marker: Path) -> dict[str, Call]:
    """What hostile pickles do, each leaving the marker if it is executed."""
    shell, code = f"touch {marker}", f"open({str(marker)!r}, 'w').close()"
    return {
        "os_system": Call("os", "system", shell),
        "posix_spawn": Call("os", "popen", shell),
        "subprocess": Call("subprocess", "call", ["touch", str(marker)]),
        "subprocess_popen": Call("subprocess", "Popen", ["touch", str(marker)]),
        "subprocess_run": Call("subprocess", "check_output", ["touch", str(marker)]),
        "eval": Call("builtins", "eval", code),
        "exec": Call("builtins", "exec", code),
        "compile": Call("builtins", "compile", code, "x", "exec"),
        "open": Call("builtins", "open", str(marker), "w"),
        "io_open": Call("io", "open", str(marker), "w"),
        "import": Call("importlib", "import_module", "antigravity"),
        "dunder_import": Call("builtins", "__import__", "antigravity"),
        "run_path": Call("runpy", "run_path", str(marker)),
        "shutil_copy": Call("shutil", "copy", "/etc/hostname", str(marker)),
        "mkdir": Call("os", "mkdir", str(marker)),
        "timeit": Call("timeit", "timeit", code),
        "pdb": Call("pdb", "run", code),
        "code": Call("code", "interact"),
        "socket": Call("socket", "create_connection", ("127.0.0.1", 9)),
        "url": Call("urllib.request", "urlopen", "http://127.0.0.1:9/"),
        "getattr": Call("builtins", "getattr", "", "join"),
        "torch_load": Call("torch", "load", str(marker)),
        "torch_save": Call("torch", "save", 1, str(marker)),
        "torch_hub": Call("torch.hub", "load", "a/b", "c"),
        "numpy_save": Call("numpy", "save", str(marker), 1),
        "pickle_loads": Call("pickle", "loads", b"cos\nsystem\n."),
        "ctypes": Call("ctypes", "CDLL", "libc.so.6"),
        "exit": Call("sys", "exit", 1),
        "signal": Call("os", "abort"),
        "warn": Call("warnings", "warn", "x"),
        "webbrowser": Call("webbrowser", "open", "http://127.0.0.1:9/"),
        "logging": Call("logging", "FileHandler", str(marker)),
    }


def pickles(marker: Path) -> Iterator[Case]:
    for name, call in calls(marker).items():
        content = {**tensors(), "extra": call}
        for legacy in (False, True):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=not legacy)
            kind = "legacy" if legacy else "zip"
            yield Case(f"{name}_{kind}.pth", file.getvalue(), UNEXECUTED)
        yield Case(f"{name}_plain.pth", pickle.dumps(call, protocol=4), REFUSED)
        renamed = io.BytesIO()
        torch.save(content, renamed)
        yield Case(f"{name}.safetensors", renamed.getvalue(), REFUSED)


def things() -> Iterator[Case]:
    """Pickles without code that hold something else than tensors."""
    for name, content in {
        "list": [torch.ones(2)],
        "tensor": torch.ones(2),
        "none": None,
        "text": "weights",
        "number": 3,
        "empty": {},
        "numbers": {"weight": 1.0, "bias": 2.0},
        "number_keys": {1: torch.ones(2)},
        "nested": {"weight": {"weight": torch.ones(2)}},
        "lists": {"weight": [1.0, 2.0], "bias": [1.0]},
        "sparse": {"weight": torch.ones(2, 3).to_sparse(), "bias": torch.ones(2)},
        "meta": {"weight": torch.ones(2, 3, device="meta"), "bias": torch.ones(2)},
        "complex": {"weight": torch.ones(2, 3, dtype=torch.complex64)},
        "integers": {"weight": torch.ones(2, 3, dtype=torch.int64), "bias": torch.ones(2)},
        "nan": {"weight": torch.full((2, 3), torch.nan), "bias": torch.ones(2)},
        "inf": {"weight": torch.full((2, 3), torch.inf), "bias": torch.ones(2)},
        "turned": {"weight": torch.ones(3, 2), "bias": torch.ones(2)},
        "flat": {"weight": torch.ones(6), "bias": torch.ones(2)},
        "scalar": {"weight": torch.tensor(1.0), "bias": torch.ones(2)},
        "no_values": {"weight": torch.ones(0, 3), "bias": torch.ones(0)},
        "one_missing": {"weight": torch.ones(2, 3)},
        "one_more": {**tensors(), "more": torch.ones(1)},
        "other_names": {"w": torch.ones(2, 3), "b": torch.ones(2)},
        "upper_case": {"WEIGHT": torch.ones(2, 3), "BIAS": torch.ones(2)},
        "blanks": {" weight": torch.ones(2, 3), "bias ": torch.ones(2)},
    }.items():
        file = io.BytesIO()
        torch.save(content, file)
        yield Case(f"{name}.pth", file.getvalue())


def headers() -> Iterator[Case]:
    """Safetensors whose heads lie."""
    good = {"weight": entry(), "bias": entry((2,), 24, 32)}
    for name, header in {
        "empty_object": {},
        "list": [],
        "number": 3,
        "null": None,
        "text": "weights",
        "no_offsets": {"weight": {"dtype": "F32", "shape": [2, 3]}},
        "no_shape": {"weight": {"dtype": "F32", "data_offsets": [0, 24]}},
        "no_dtype": {"weight": {"shape": [2, 3], "data_offsets": [0, 24]}},
        "unknown_dtype": {**good, "weight": entry(dtype="Q4")},
        "integers": {**good, "weight": entry(dtype="I32")},
        "text_shape": {**good, "weight": entry(shape="2x3")},
        "negative_shape": {**good, "weight": entry(shape=(-2, -3))},
        "fraction_shape": {**good, "weight": entry(shape=(2.5, 3))},
        "huge_shape": {**good, "weight": entry(shape=(2**62, 2**62))},
        "wrapping_shape": {**good, "weight": entry(shape=(2**32, 2**32, 6))},
        "shape_too_large": {**good, "weight": entry(shape=(2, 4))},
        "many_dimensions": {**good, "weight": entry(shape=(1,) * 5000)},
        "backwards": {**good, "weight": entry(start=24, end=0)},
        "negative": {**good, "weight": entry(start=-24, end=0)},
        "beyond": {**good, "weight": entry(start=10**12, end=10**12 + 24)},
        "overlapping": {"weight": entry(), "bias": entry((2,), 20, 28)},
        "gap": {"weight": entry(), "bias": entry((2,), 28, 36)},
        "short": {"weight": entry()},
        "metadata_of_numbers": {"__metadata__": {"a": 1}, **good},
        "metadata_list": {"__metadata__": [], **good},
        "turned": {**good, "weight": entry(shape=(3, 2))},
        "other_names": {"w": entry(), "b": entry((2,), 24, 32)},
    }.items():
        yield Case(f"{name}.safetensors", safetensors(header))
    deep = b'{"weight":' * 20_000
    text = json.dumps(good).encode()
    for name, content in {
        "not_json": safetensors(b"{weight: 1}"),
        "not_unicode": safetensors(b'{"\xff\xfe": 1}'),
        "deep": safetensors(deep),
        "length_0": safetensors(text, length=0),
        "length_1": safetensors(text, length=1),
        "length_huge": safetensors(text, length=2**63),
        "length_all": safetensors(text, length=2**64 - 1),
        "length_200_megabytes": safetensors(text, length=2 * 10**8),
        "data_missing": safetensors(text, b""),
        "data_short": safetensors(text, bytes(31)),
        "data_long": safetensors(text, bytes(33)),
        "nan": safetensors(text, np.full(8, np.nan, np.float32).tobytes()),
        "inf": safetensors(text, np.full(8, np.inf, np.float32).tobytes()),
    }.items():
        yield Case(f"{name}.safetensors", content)


def truncated() -> Iterator[Case]:
    for kind, content in {
        "safetensors": save(tensors()),
        "zip.pth": whole(),
        "legacy.pth": whole(legacy=True),
    }.items():
        for share in (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97):
            yield Case(f"cut_at_{share}.{kind}", content[: max(1, int(len(content) * share))])


def others() -> Iterator[Case]:
    bomb, climbing, tar, array = (io.BytesIO() for _ in range(4))
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(20_000_000))
    with zipfile.ZipFile(climbing, "w") as archive:
        archive.writestr("../../../tmp/hostile", b"out")
        archive.writestr("/tmp/hostile/data.pkl", b"out")
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../hostile"))
    np.save(array, np.array([print], dtype=object), allow_pickle=True)
    for name, content in {
        "empty": b"",
        "one_byte": b"{",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "text": b"hello " * 500,
        "html": b"<!DOCTYPE html><html>404</html>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4850000000\n",
        "json": b'{"weight": [1, 2]}',
        "gguf": b"GGUF\x03\0\0\0" + bytes(100),
        "onnx": b"\x08\x07\x12\x07pytorch" + bytes(100),
        "keras": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "gzip": b"\x1f\x8b\x08" + bytes(100),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "empty_zip": b"PK\x05\x06" + bytes(18),
        "zip_head": b"PK\x03\x04",
        "zip_bomb": bomb.getvalue(),
        "climbing_zip": climbing.getvalue(),
        "tar": tar.getvalue(),
        "numpy_objects": array.getvalue(),
        "pickle_stop": b"\x80\x02.",
        "pickle_of_nothing": b"\x80\x02N.",
        "pickle_memo": b"\x80\x02h\xff.",
        "pickle_deep": b"\x80\x02" + b"(" * 100_000 + b".",
        "pickle_long": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "pickle_huge_bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "pickle_global": b"\x80\x02cos\nsystem\n.",
        "pickle_stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        "pickle_instance": b"\x80\x02(ios\nsystem\n.",
        "pickle_extension": b"\x80\x02\x82\x01.",
        "pickle_persistent": b"\x80\x02Pid\n.",
        "pickle_build": b"\x80\x02}}b.",
        "pickle_protocol_99": b"\x80\x63.",
    }.items():
        yield Case(f"{name}.pth", content)
    for seed in range(10):
        noise = random.Random(seed).randbytes(2000)
        yield Case(f"random_{seed}.pth", noise)
        yield Case(f"random_pickle_{seed}.pth", b"\x80\x02" + noise)
        yield Case(f"random_head_{seed}.safetensors", struct.pack("<Q", 1000) + b"{" + noise)


def cases(marker: Path) -> list[Case]:
    return [*pickles(marker), *things(), *headers(), *truncated(), *others()]
