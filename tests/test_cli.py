"""The command line: what it refuses before it loads anything, and a whole attack."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from silencer_core import __version__


@pytest.fixture
def photo(tmp_path) -> Path:
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def speech(tmp_path) -> Path:
    time_axis = np.arange(8000) / 16000
    soundfile.write(tmp_path / "speech.wav", 0.5 * np.sin(1400 * time_axis), 16000)
    return tmp_path / "speech.wav"


def test_version(silencer):
    assert silencer("--version") == (0, f"silencer {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["attack", "--help"], ["models", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    heavy = "{'torch', 'librosa', 'transformers', 'diffusers', 'av', 'numpy', 'PIL'}"
    program = (
        f"import sys; sys.argv = ['silencer', *{arguments}]\n"
        "from silencer_core.cli import main\n"
        "try: main()\n"
        f"except SystemExit: print('loaded:', {heavy} & sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert "Usage" in out
    assert "loaded: set()" in out


# Below, the generator does not exist: a message about anything else comes before its loading.


def test_missing_photo(silencer, tmp_path, speech):
    code, out, err = silencer(
        "attack", tmp_path / "no.png", speech, "-o", tmp_path / "a.mp4", "-g", tmp_path / "none"
    )
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no.png" in err


def test_missing_speech(silencer, tmp_path, photo):
    code, _, err = silencer(
        "attack", photo, tmp_path / "no.wav", "-o", tmp_path / "a.mp4", "-g", tmp_path / "none"
    )
    assert code == 1
    assert "no.wav" in err


def test_photo_and_speech_swapped(silencer, tmp_path, photo, speech):
    code, _, err = silencer(
        "attack", speech, photo, "-o", tmp_path / "a.mp4", "-g", tmp_path / "none"
    )
    assert code == 1
    assert "speech.wav" in err


@pytest.mark.parametrize(
    ("output", "words"),
    [("a.avi", "ends in .mp4"), ("nowhere/a.mp4", "no such folder"), ("folder.mp4", "is a folder")],
)
def test_output_is_checked_first(silencer, tmp_path, output, words):
    (tmp_path / "folder.mp4").mkdir()
    nothing = tmp_path / "none"
    code, _, err = silencer("attack", nothing, nothing, "-o", tmp_path / output, "-g", nothing)
    assert code == 1
    assert words in err


@pytest.mark.parametrize(
    "option",
    [
        ["--motion-scale", "1,1"],
        ["--motion-scale", "a,b,c"],
        ["--steps", "0"],
        ["--guidance", "-1"],
        ["--dtype", "int8"],
        ["--device", "toaster"],
        ["--face", "prettiest"],
    ],
)
def test_wrong_options_are_usage_errors(silencer, tmp_path, photo, speech, option):
    code, _, err = silencer(
        "attack", photo, speech, "-o", tmp_path / "a.mp4", "-g", tmp_path / "none", *option
    )
    assert code == 2
    assert option[0] in err


def test_missing_generator_is_named(silencer, tmp_path, photo, speech):
    code, _, err = silencer(
        "attack", photo, speech, "-o", tmp_path / "a.mp4", "-g", tmp_path / "none"
    )
    assert code == 1
    assert str(tmp_path / "none") in err


# A small generator with random weights, in the published layout.


def attack(published, photo, speech, output, *options):
    return ["attack", photo, speech, "-o", output, "-g", published, "--steps", 1, *options]


def test_attack_writes_a_marked_video(silencer, tmp_path, published, photo, speech):
    code, out, _ = silencer(*attack(published, photo, speech, tmp_path / "a.mp4"))
    assert (code, out) == (0, f"{tmp_path / 'a.mp4'}: 13 frames, 0.52 s\n")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 13
        assert "AI-generated" in container.metadata["comment"]


def test_same_seed_same_video(silencer, tmp_path, published, photo, speech):
    names = {"a.mp4": 7, "b.mp4": 7, "c.mp4": 8}
    for name, seed in names.items():
        run = silencer(*attack(published, photo, speech, tmp_path / name, "--seed", seed))
        assert run[0] == 0, run
    first, second, other = ((tmp_path / name).read_bytes() for name in names)
    assert first == second != other


@pytest.mark.parametrize(
    "options",
    [
        ["--guidance", "1", "--motion-scale", "0.5,1,2"],
        ["--whole-photo", "--face", "0"],
        ["--no-visible-mark", "--device", "cpu", "--dtype", "bfloat16"],
    ],
)
def test_options_change_the_video(silencer, tmp_path, published, photo, speech, options):
    silencer(*attack(published, photo, speech, tmp_path / "a.mp4"))
    code, _, err = silencer(*attack(published, photo, speech, tmp_path / "b.mp4", *options))
    assert code == 0, err
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "b.mp4").read_bytes()


@pytest.fixture
def faceless(tmp_path) -> Path:
    """A picture of nobody, and masks that say where a face and lips would be."""
    for name, box in {"face": (60, 60, 200, 200), "lip": (100, 150, 160, 180)}.items():
        mask = Image.new("L", (256, 256))
        mask.paste(255, box)
        mask.save(tmp_path / f"{name}.png")
    Image.linear_gradient("L").save(tmp_path / "nobody.png")
    return tmp_path / "nobody.png"


def test_no_face_is_refused(silencer, tmp_path, published, faceless, speech):
    code, _, err = silencer(*attack(published, faceless, speech, tmp_path / "a.mp4"))
    assert code == 1
    assert "no face" in err
    assert not (tmp_path / "a.mp4").exists()


def test_masks_stand_in_for_a_face(silencer, tmp_path, published, faceless, speech):
    masks = ["--face-mask", tmp_path / "face.png", "--lip-mask", tmp_path / "lip.png"]
    code, _, err = silencer(*attack(published, faceless, speech, tmp_path / "a.mp4", *masks))
    assert code == 0, err


def test_mask_of_another_size_is_refused(silencer, tmp_path, published, photo, faceless, speech):
    masks = ["--face-mask", tmp_path / "face.png"]
    code, _, err = silencer(*attack(published, photo, speech, tmp_path / "a.mp4", *masks))
    assert code == 1
    assert "mask" in err


def test_interruption_leaves_nothing(tmp_path, published, photo):
    """Ctrl-C once frames are being written."""
    folder = tmp_path / "out"
    folder.mkdir()
    soundfile.write(tmp_path / "long.wav", np.zeros(30 * 16000), 16000)
    program = (  # a background job would start with Ctrl-C switched off
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from silencer_core.cli import main; main()"
    )
    arguments = attack(published, photo, tmp_path / "long.wav", folder / "a.mp4")
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stderr=subprocess.PIPE
    )
    try:
        while process.poll() is None and not list(folder.iterdir()):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err.decode()
    assert b"Traceback" not in err
    assert list(folder.iterdir()) == []


def test_purify_writes_the_cleaned_photo(silencer, tmp_path, photo):
    output = tmp_path / "clean.png"
    code, out, err = silencer("purify", photo, "-o", output, "--sequence", "jpeg:75,resize:0.5")
    assert (code, err) == (0, "")
    assert "256 x 256 after jpeg:75,resize:0.5:lanczos" in out
    assert Image.open(output).size == (256, 256)


def test_purify_refuses_an_unknown_step_before_reading(silencer, tmp_path):
    code, out, err = silencer(
        "purify", tmp_path / "no.png", "-o", tmp_path / "a.png", "--sequence", "polish"
    )
    assert (code, out) == (1, "")
    assert "polish" in err
