"""Strict loading of weights, and what is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from silencer_core.checkpoint import difference, load_into, save_safetensors, shapes
from silencer_core.errors import SilencerError
from silencer_core.weight_files import Header, open_weights, safetensors_writer


class Sample(nn.Module):
    """Parameters, a float buffer and an integer buffer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("table", torch.zeros(2, 5))
        self.register_buffer("steps", torch.zeros(6, dtype=torch.int64))


def on_meta() -> Sample:
    with torch.device("meta"):
        return Sample()


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "linear.weight": torch.randn(3, 4, generator=generator),
        "linear.bias": torch.randn(3, generator=generator),
        "table": torch.randn(2, 5, generator=generator),
        "steps": torch.arange(6),
    }


def save(path: Path, tensors) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization="legacy" not in path.name)
    return path


def refusal(path: Path, module: nn.Module | None = None, **options) -> str:
    with pytest.raises(SilencerError) as caught:
        load_into(module or on_meta(), path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


FORMATS = ["w.safetensors", "w.pth", "w.pt", "w.bin", "w.ckpt", "legacy.pth"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_saved_values(name, tmp_path):
    path, module = save(tmp_path / name, state()), on_meta()
    load_into(module, path)
    loaded = module.state_dict()
    assert loaded.keys() == state().keys()
    assert all(torch.equal(loaded[key], value) for key, value in state().items())


@pytest.mark.parametrize("name", FORMATS)
def test_shapes_are_told(name, tmp_path):
    path = save(tmp_path / name, state())
    assert shapes(path) == {key: tuple(value.shape) for key, value in state().items()}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_take_the_wanted_dtype(dtype, tmp_path):
    module = on_meta()
    load_into(module, save(tmp_path / "w.pth", state()), dtype=dtype)
    assert torch.equal(module.linear.weight, state()["linear.weight"].to(dtype))
    assert module.table.dtype == dtype


def test_integers_keep_their_dtype(tmp_path):
    module = on_meta()
    load_into(module, save(tmp_path / "w.pth", state()), dtype=torch.float16)
    assert torch.equal(module.steps, torch.arange(6))


def test_state_dict_nested_in_a_checkpoint(tmp_path):
    module = on_meta()
    load_into(module, save(tmp_path / "w.ckpt", {"state_dict": state(), "epoch": 3}))
    assert torch.equal(module.table, state()["table"])


def test_prefix_selects(tmp_path):
    both = {f"a.{key}": value for key, value in state(1).items()}
    both |= {f"b.{key}": value for key, value in state(2).items()}
    module = on_meta()
    load_into(module, save(tmp_path / "w.safetensors", both), prefix="b.")
    assert torch.equal(module.table, state(2)["table"])


def test_old_name_with_convolution_shape(tmp_path):
    old = state()
    old["query.weight"] = old.pop("linear.weight")[..., None, None].contiguous()
    module = on_meta()
    rename = {"query.weight": "linear.weight"}
    load_into(module, save(tmp_path / "w.pth", old), rename=lambda key: rename.get(key, key))
    assert torch.equal(module.linear.weight, state()["linear.weight"])


def test_convolution_shape_under_its_own_name_is_refused(tmp_path):
    wrong = state() | {"linear.weight": torch.zeros(3, 4, 1, 1)}
    assert "[3, 4, 1, 1]" in refusal(save(tmp_path / "w.pth", wrong))


def test_rename_leaves_out(tmp_path):
    extra = state() | {"head.weight": torch.zeros(2)}
    load_into(
        on_meta(),
        save(tmp_path / "w.pth", extra),
        rename=lambda key: None if key.startswith("head.") else key,
    )


def test_optional_key_becomes_zero(tmp_path):
    partial = state()
    del partial["table"]
    module = on_meta()
    load_into(module, save(tmp_path / "w.pth", partial), optional=["table"])
    assert torch.equal(module.table, torch.zeros(2, 5))


def test_loaded_inside_inference_mode_can_be_trained(tmp_path):
    path = save(tmp_path / "w.safetensors", state())
    with torch.inference_mode():
        module = on_meta()
        load_into(module, path)
    module.linear(torch.ones(4)).sum().backward()
    assert torch.equal(module.linear.bias.grad, torch.ones(3))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_tensors_survive_the_file_being_overwritten(name, tmp_path):
    path, module = save(tmp_path / name, state()), on_meta()
    load_into(module, path)
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    assert torch.equal(module.linear.weight, state()["linear.weight"])


def test_missing_keys_are_counted_and_named(tmp_path):
    partial = state()
    del partial["table"], partial["linear.bias"]
    message = refusal(save(tmp_path / "w.pth", partial))
    assert "of 4 tensors 2 missing (table, linear.bias)" in message


def test_unexpected_keys_are_counted_and_named(tmp_path):
    extra = state() | {f"more.{i}": torch.zeros(1) for i in range(5)}
    message = refusal(save(tmp_path / "w.pth", extra))
    assert "5 unexpected (more.0, more.1, more.2, ...)" in message


def test_other_shape_tells_both(tmp_path):
    wrong = state() | {"table": torch.zeros(7, 5)}
    message = refusal(save(tmp_path / "w.safetensors", wrong))
    assert "table: expected [2, 5], found [7, 5]" in message


def test_integers_for_floats_are_refused(tmp_path):
    wrong = state() | {"table": torch.zeros(2, 5, dtype=torch.int32)}
    assert "torch.int32" in refusal(save(tmp_path / "w.pth", wrong))


def test_refused_module_stays_untouched(tmp_path):
    module = on_meta()
    refusal(save(tmp_path / "w.pth", {"table": torch.zeros(2, 5)}), module)
    assert all(value.is_meta for value in module.state_dict().values())


def test_difference_is_false_when_all_fits(tmp_path):
    assert not difference(on_meta(), save(tmp_path / "w.pth", state()))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "legacy.pth"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_file(name, share, tmp_path):
    path = save(tmp_path / name, {"big": torch.randn(20_000)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message = refusal(path)
    assert "damaged" in message
    assert str(path.stat().st_size) in message


class Command:
    """What a hostile checkpoint contains: unpickling it would run a command."""

    def __init__(self, proof: Path):
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"echo > {self.proof}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle_with_code_is_refused_unexecuted(legacy, tmp_path):
    proof, path = tmp_path / "proof", tmp_path / ("legacy.pth" if legacy else "w.pth")
    save(path, state() | {"hook": Command(proof)})
    message = refusal(path)
    assert "system" in message
    assert "Nothing was executed" in message
    assert not proof.exists()


def test_plain_pickle_with_code_is_refused_unexecuted(tmp_path):
    proof, path = tmp_path / "proof", tmp_path / "w.bin"
    path.write_bytes(pickle.dumps(Command(proof), protocol=2))
    assert "Nothing was executed" in refusal(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "<!DOCTYPE html>"),
        (b"PK\x03\x04 but nothing else", "damaged"),
        ((10**12).to_bytes(8, "little") + b"{}", "damaged"),
    ],
)
def test_other_files_are_refused(content, found, tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    assert found in refusal(path)


def test_absent_file(tmp_path):
    assert "no such weight file" in refusal(tmp_path / "absent.pth")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"table": [0.0]}, {3: torch.zeros(1)}])
def test_something_else_than_a_state_dict(content, tmp_path):
    assert "expected a dict of" in refusal(save(tmp_path / "w.pth", content))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_name_their_key(value, tmp_path):
    bad = state()
    bad["linear.bias"][1] = value
    assert "linear.bias has NaN or infinite" in refusal(save(tmp_path / "w.pth", bad))


def test_values_beyond_half_precision_name_the_remedy(tmp_path):
    large = state() | {"linear.bias": torch.tensor([1.0, 1e6, 1.0])}
    message = refusal(save(tmp_path / "w.pth", large), dtype=torch.float16)
    assert "bfloat16" in message


def test_written_safetensors_are_what_the_library_reads(tmp_path):
    tensors = {
        "half": torch.randn(3, 5).half(),
        "turned": torch.randn(4, 6).T,
        "brain": torch.randn(7).bfloat16(),
        "flag": torch.tensor([True, False, True]),
        "number": torch.tensor(3),
        "none": torch.zeros(0, 4),
    }
    path = tmp_path / "w.safetensors"
    save_safetensors(path, tensors, {"made": "here"})
    loaded = load_file(path)
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[key], value) for key, value in tensors.items())
    assert open_weights(path).metadata == {"made": "here"}


def test_interrupted_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    save_safetensors(path, {"a": torch.ones(2)})
    headers = {key: Header((2,), torch.float32) for key in "ab"}
    with pytest.raises(KeyboardInterrupt), safetensors_writer(path, headers) as write:
        write("a", torch.zeros(2))
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert torch.equal(load_file(path)["a"], torch.ones(2))


def test_writing_into_a_missing_folder(tmp_path):
    with pytest.raises(SilencerError, match="cannot be written"):
        save_safetensors(tmp_path / "absent" / "w.safetensors", {"a": torch.ones(2)})


MEASURE = """
import resource, sys
import torch
from torch import nn
from silencer_core.checkpoint import load_into

torch.set_num_threads(1)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def layers(count):
    with torch.device("meta"):
        return nn.ModuleList(nn.Linear(1024, 2048) for _ in range(count))

path, warm_up, dtype = sys.argv[1:]
load_into(layers(1), warm_up, dtype=getattr(torch, dtype))
base, module = peak(), layers(24)
load_into(module, path, dtype=getattr(torch, dtype))
print((peak() - base) / sum(value.nbytes for value in module.parameters()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss differs elsewhere")
@pytest.mark.parametrize(("suffix", "dtype"), [(".safetensors", "float32"), (".pth", "float16")])
def test_peak_memory_is_close_to_the_weights(suffix, dtype, tmp_path):
    layer = {"weight": torch.zeros(2048, 1024), "bias": torch.zeros(2048)}
    big = {f"{i}.{key}": value.clone() for i in range(24) for key, value in layer.items()}
    save(tmp_path / f"big{suffix}", big)
    save(tmp_path / f"small{suffix}", {f"0.{key}": value for key, value in layer.items()})
    arguments = [str(tmp_path / f"big{suffix}"), str(tmp_path / f"small{suffix}"), dtype]
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert float(result.stdout) < 1.25
