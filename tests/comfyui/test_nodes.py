"""Every node in ComfyUI's real executor, with a tiny generator of random weights."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from executor import Executor, node
from tiny import drawn_photo
from typer.testing import CliRunner

from silencer_core.cli import app
from silencer_core.demo import demo_photo
from silencer_core.photo import Photo, read_photo, write_photo

LONG = {  # by node: what keeps it busy for minutes
    "protect": {"steps": 100_000},
    "attack": {"steps": 1000},
    "invert": {"steps": 1000, "depth": 1000},
    "purify": {"sequence": ",".join(["gridpure:100"] * 100)},
    "score": {"frames": 10_000, "purify": "none"},
}


@pytest.fixture(scope="module")
def comfy(_published, tmp_path_factory):
    base = tmp_path_factory.mktemp("comfyui")
    executor = Executor(base)
    tiny = Path(shutil.copytree(_published, base / "models" / "silencer" / "tiny"))
    (tiny / "hallo" / "config.json").write_text(json.dumps({"steps": 2}))
    write_photo(Photo(drawn_photo()), base / "input" / "photo.png")
    yield executor
    executor.close()


def tensor(comfy, name: str, value: torch.Tensor) -> str:
    """A file for TestTensor."""
    path = comfy.base / f"{name}.pt"
    torch.save(value, path)
    return str(path)


def kept(comfy, name: str):
    """What TestKeep wrote."""
    return torch.load(comfy.base / f"kept_{name}.pt", weights_only=True)


def keep(comfy, name: str, link: list) -> dict:
    return node("TestKeep", it=link, path=str(comfy.base / f"kept_{name}.pt"))


def face_mask(side: int = 160) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = 1
    return mask


def graph(comfy, **changes) -> dict:
    """All nodes, wired as a user would; `changes` are inputs by the name of the node."""
    prompt = {
        "generator": node("SilencerLoadGenerator", generator="tiny", path="", dtype="float32"),
        "image": node("LoadImage", image="photo.png"),
        "mask": node("TestTensor", path=tensor(comfy, "mask", face_mask())),
        "speech": node("SilencerExampleSpeech", voice="held_out_00", seconds=0.5),
        "portrait": node(
            "SilencerFindPortrait",
            image=["image", 0],
            face=0,
            padding=0.35,
            face_mask=["mask", 1],
            lip_mask=["image", 1],
            generator=["generator", 0],
        ),
        "voices": node("SilencerDrivingAudio", audio=["speech", 0], audio_2=["speech", 0]),
        "invert": node(
            "SilencerInvertLatent",
            generator=["generator", 0],
            portrait=["portrait", 0],
            steps=10,
            depth=1,
        ),
        "nullify": node(
            "SilencerNullifyAudioLoss",
            generator=["generator", 0],
            look_at="whole attack",
            samples=1,
            frames=2,
            silence=1.0,
            still=0.5,
            lips=4.0,
            denoising_steps=1,
            from_timestep=0,
            to_timestep=1000,
            voices=["voices", 0],
        ),
        "cleaned": node(
            "SilencerAntiPurify",
            objective=["nullify", 0],
            sequences="jpeg:75\nresize:0.9",
            share=1.0,
            diffusion=0.0,
            diffusion_time=0.15,
            keep=0.0,
        ),
        "baseline": node(
            "SilencerBaselineLoss", generator=["generator", 0], method="Silencer-I as coded"
        ),
        "both": node(
            "SilencerCombineObjectives",
            objective_1=["cleaned", 0],
            weight_1=1.0,
            objective_2=["baseline", 0],
            weight_2=0.5,
        ),
        "protect": node(
            "SilencerProtectPortrait",
            portrait=["portrait", 0],
            preset="fast",
            seed=0,
            steps=3,
            budget=8.0,
            latent_steps=2,
            generator=["generator", 0],
            objective=["both", 0],
            latent=["invert", 0],
        ),
        "purify": node(
            "SilencerPurifyImage",
            image=["protect", 0],
            sequence="jpeg:75,blur:1",
            seed=0,
            generator=["generator", 0],
        ),
        "noise": node("SilencerNoiseControl", before=["image", 0], after=["protect", 0], seed=0),
        "attack": node(
            "SilencerAttack",
            generator=["generator", 0],
            portrait=["portrait", 0],
            audio=["speech", 0],
            seed=0,
            steps=2,
            guidance=0.0,
            visible_mark=True,
        ),
        "score": node(
            "SilencerScoreProtection",
            generator=["generator", 0],
            before=["example", 0],
            after=["noisy example", 0],
            purify="none",
            guidance="1",
            seed=0,
            frames=16,
            controls=False,
            audio=["speech", 0],
        ),
        "example": node("SilencerExamplePortrait", portrait="astronaut"),
        "still": node("RepeatImageBatch", image=["example", 0], amount=3),
        "films": node(
            "SilencerScoreFrames",
            before=["still", 0],
            after=["still", 0],
            audio=["speech", 0],
            fps=25.0,
        ),
        "noisy example": node(
            "SilencerPurifyImage", image=["example", 0], sequence="noise:0.01", seed=0
        ),
        "photos": node("SilencerComparePhotos", before=["image", 0], after=["protect", 0]),
        "videos": node(
            "SilencerCompareVideos",
            before=["attack", 0],
            after=["attack", 0],
            audio=["attack", 1],
            fps=["attack", 2],
        ),
        "save": node(
            "SaveVideo", video=["attack", 3], filename_prefix="v", format="auto", codec="auto"
        ),
        "text": node("PreviewAny", source=["protect", 2]),
    }
    links = {
        "protected": ["protect", 0],
        "change": ["protect", 1],
        "face": ["portrait", 1],
        "lips": ["portrait", 2],
        "crop": ["portrait", 3],
        "rebuilt": ["invert", 1],
        "purified": ["purify", 0],
        "noise": ["noise", 1],
        "frames": ["attack", 0],
        "sound": ["attack", 1],
        "plot": ["score", 1],
        "grid": ["score", 2],
    }
    prompt |= {f"keep {name}": keep(comfy, name, link) for name, link in links.items()}
    prompt["generator"]["inputs"]["device"] = "auto"
    for name, inputs in changes.items():
        prompt[name]["inputs"] |= inputs
    return prompt


def part(prompt: dict, *ends: str) -> dict:
    """These nodes and all that they need."""
    wanted, found = list(ends), {}
    while wanted:
        name = wanted.pop()
        found[name] = prompt[name]
        wanted += [link[0] for link in prompt[name]["inputs"].values() if isinstance(link, list)]
    return found


@pytest.fixture(scope="module")
def everything(comfy):
    """One run of all nodes."""
    result = comfy.run(graph(comfy))
    assert result["status"] == "success", result
    return result


def test_the_pack_loads_fast_and_light(comfy):
    assert comfy.began["loaded"]
    assert comfy.began["seconds"] < 1
    assert not {"diffusers", "librosa", "skimage", "kornia"} & set(comfy.began["imported"])


def test_every_input_and_output_says_what_it_is(comfy):
    silent = []
    for name, schema in comfy.ask("schemas").items():
        assert schema["category"] == "Silencer"
        assert schema["description"]
        for inputs in (schema["input"].get(part, {}) for part in ("required", "optional")):
            silent += [
                f"{name}.{key}" for key, (_, more) in inputs.items() if not more.get("tooltip")
            ]
        outputs = zip(schema["output_name"], schema["output_tooltips"], strict=True)
        silent += [f"{name}->{key}" for key, tooltip in outputs if not tooltip]
    assert not silent


def test_nodes_have_the_names_that_they_shall_have(comfy):
    shown = {name: schema["display_name"] for name, schema in comfy.ask("schemas").items()}
    assert shown["SilencerInvertLatent"] == "Invert Latent"
    assert shown["SilencerNullifyAudioLoss"] == "Nullify Audio Loss"
    assert shown["SilencerAntiPurify"] == "Anti-Purify"
    assert shown["SilencerProtectPortrait"] == "Protect Portrait"


def test_presets_are_those_of_the_library(comfy):
    from silencer_core.presets import PRESETS

    schema = comfy.ask("schemas")["SilencerProtectPortrait"]
    assert schema["input"]["required"]["preset"][1]["options"] == list(PRESETS)


def test_generators_in_the_models_folder_are_offered(comfy):
    schema = comfy.ask("schemas")["SilencerLoadGenerator"]
    assert schema["input"]["required"]["generator"][1]["options"] == ["built-in mini", "tiny"]


def test_protected_photo_stays_within_the_budget(comfy, everything):
    photo = read_photo(comfy.base / "input" / "photo.png").pixels
    protected = kept(comfy, "protected")
    assert protected.shape == (1, 160, 160, 3)
    assert 0 < (protected[0].movedim(2, 0) - photo).abs().max() <= 8 / 255 + 1e-6
    assert kept(comfy, "change").shape == (1, 160, 160, 3)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("face", (1, 160, 160)),
        ("lips", (1, 160, 160)),
        ("crop", (1, 32, 32, 3)),
        ("rebuilt", (1, 32, 32, 3)),
        ("purified", (1, 160, 160, 3)),
        ("noise", (1, 160, 160, 3)),
        ("frames", (13, 32, 32, 3)),
    ],
)
def test_outputs_are_images_and_masks(comfy, everything, name, shape):
    value = kept(comfy, name)
    assert value.shape == shape
    assert value.dtype == torch.float32
    assert value.min() >= 0
    assert value.max() <= 1


def test_lips_lie_within_the_face(comfy, everything):
    face, lips = kept(comfy, "face"), kept(comfy, "lips")
    assert lips[0, 100:110, 75:85].mean() > 0.5
    assert (lips[face < 0.01] < 0.2).all()


def test_sound_is_as_long_as_the_frames(comfy, everything):
    assert kept(comfy, "sound").shape[:2] == (1, 1)
    assert kept(comfy, "sound").shape[2] == 8000


def test_the_video_is_written(comfy, everything):
    assert list((comfy.base / "output").glob("v*.mp4"))


def test_the_report_is_text_for_other_nodes(everything):
    report = json.loads(everything["ui"]["text"]["text"][0])
    assert report["faces"][0]["stopped"] == "done"


def test_protecting_is_told_to_the_page(everything):
    events = [data for name, data in everything["events"] if name == "silencer.protect"]
    assert [event["step"] for event in events] == [0, 1, 2, 3, 3, 4, 5]
    assert {event["steps"] for event in events} == {5}
    assert {event["node"] for event in events} == {"protect"}
    assert events[-1]["photo"].startswith("data:image/jpeg;base64,")
    numbers = [v for event in events for v in event.values() if isinstance(v, float)]
    assert all(math.isfinite(number) for number in numbers)


def test_panels_get_files_that_exist(comfy, everything):
    panels = {name: ui["silencer"][0] for name, ui in everything["ui"].items() if "silencer" in ui}
    assert {panel["kind"] for panel in panels.values()} == {"protect", "photos", "videos", "scores"}
    files = [
        panels[node][side]
        for node in ("protect", "photos", "videos")
        for side in ("before", "after")
    ]
    for file in files:
        assert (comfy.base / "temp" / file["filename"]).stat().st_size > 0


def test_scores_fit_their_panel(everything):
    panel = everything["ui"]["score"]["silencer"][0]
    assert panel["grid"]["rows"] == ["none"]
    assert set(panel["grid"]["cells"][0][0]) == {"value", "verdict"}
    lines = panel["plot"]
    assert len(lines["times"]) == len(lines["asked"]) == len(lines["protected"])


@pytest.mark.parametrize("name", ["invert", "protect", "purify", "attack", "score"])
def test_long_nodes_show_progress(everything, name):
    steps = [data for kind, data in everything["events"] if kind == "progress"]
    assert steps[-1]["value"] <= steps[-1]["max"]
    assert any(data["node"] == name and data["value"] == data["max"] for data in steps)


def test_an_attack_shows_its_frames(everything):
    steps = [data for kind, data in everything["events"] if kind == "progress"]
    assert any(data["preview"] == ["JPEG", 32, 32] for data in steps if data["node"] == "attack")


def test_the_same_inputs_do_not_run_again(comfy, everything):
    prompt = graph(comfy)
    again = comfy.run(prompt)
    assert set(again["cached"]) == set(prompt)


def test_another_seed_runs_what_depends_on_it(comfy, everything):
    before = kept(comfy, "protected")
    prompt = graph(comfy, protect={"seed": 1})
    again = comfy.run(prompt)
    ran = set(prompt) - set(again["cached"])
    assert "protect" in ran
    assert "generator" not in ran
    assert "attack" not in ran
    assert not torch.equal(kept(comfy, "protected"), before)


def protect_only(comfy, **inputs) -> dict:
    """The shortest way to a protected photo."""
    prompt = graph(comfy, **inputs)
    del prompt["protect"]["inputs"]["latent"]
    prompt["protect"]["inputs"]["objective"] = ["nullify", 0]
    return part(prompt, "keep protected")


def test_batches_with_alpha_of_other_types(comfy):
    photo = drawn_photo().movedim(0, 2)
    alpha = torch.linspace(0, 1, 160).mul(255).round().expand(160, 160)[..., None]
    pictures = torch.stack([torch.cat([one * 255, alpha], 2) for one in (photo, photo.flip(1))])
    prompt = protect_only(comfy)
    prompt["image"] = node("TestTensor", path=tensor(comfy, "rgba", pictures.to(torch.uint8)))
    del prompt["portrait"]["inputs"]["lip_mask"]
    result = comfy.run(prompt)
    assert result["status"] == "success", result
    protected = kept(comfy, "protected")
    assert protected.shape == (2, 160, 160, 4)
    assert torch.equal((protected[1, ..., 3:] * 255).round(), alpha)
    assert not torch.equal(protected[0, ..., :3], protected[1, ..., :3])


def test_a_mask_of_another_size_is_fitted(comfy):
    prompt = protect_only(comfy)
    prompt["mask"]["inputs"]["path"] = tensor(comfy, "small", face_mask(40))
    prompt["keep face"] = keep(comfy, "face", ["portrait", 1])
    assert comfy.run(prompt)["status"] == "success"
    assert kept(comfy, "face").shape == (1, 160, 160)


def test_an_error_names_node_input_and_remedy(comfy):
    blank = tensor(comfy, "blank", torch.full((1, 128, 128, 3), 0.5))
    prompt = {
        "1": node("TestTensor", path=blank),
        "2": node("SilencerFindPortrait", image=["1", 0], face=0, padding=0.35),
        "3": keep(comfy, "crop", ["2", 3]),
    }
    result = comfy.run(prompt)
    assert (result["status"], result["node"]) == ("error", "2")
    assert result["message"].startswith("Find Portrait: photo: no face was found. Give a mask")


def test_objectives_for_different_generators_are_refused(comfy):
    prompt = protect_only(comfy)
    prompt["other"] = node(
        "SilencerLoadGenerator", generator="built-in mini", path="", dtype="auto", device="cpu"
    )
    prompt["protect"]["inputs"]["generator"] = ["other", 0]
    result = comfy.run(prompt)
    assert result["status"] == "error"
    assert "Load Talking-Head Generator" in result["message"]


@pytest.mark.parametrize("name", list(LONG))
def test_cancel_acts_within_a_second(comfy, name):
    prompt = graph(comfy, **{name: LONG[name]}) | {"end": keep(comfy, "end", [name, 0])}
    prompt = part(prompt, "end")
    value = 0 if name == "purify" else 0.001
    stopped = comfy.run(prompt, cancel={"node": name, "value": value})
    assert (stopped["status"], stopped["node"]) == ("interrupted", name)
    assert stopped["seconds_to_stop"] < 1


def test_the_graph_gives_what_the_command_line_gives(comfy):
    photo, protected = comfy.base / "input" / "astronaut.png", comfy.base / "protected.png"
    write_photo(demo_photo(), photo)
    prompt = {
        "image": node("LoadImage", image=photo.name),
        "protect": node(
            "SilencerProtectPortrait",
            portrait=["image", 0],
            preset="balanced",
            seed=3,
            steps=1,
            budget=0.0,
            latent_steps=20,
        ),
        "save": node("SaveImage", images=["protect", 0], filename_prefix="graph"),
    }
    result = comfy.run(prompt)
    assert result["status"] == "success", result
    file = comfy.base / "output" / result["ui"]["save"]["images"][0]["filename"]
    options = ["--preset", "balanced", "--seed", "3", "--steps", "1", "--device", "cpu"]
    ran = CliRunner().invoke(app, ["protect", str(photo), "-o", str(protected), *options])
    assert ran.exit_code == 0, ran.output
    assert torch.equal(read_photo(file).pixels, read_photo(protected).pixels)
    assert not torch.equal(read_photo(file).pixels, read_photo(photo).pixels)


def test_a_folder_is_protected_once(comfy):
    photos = comfy.base / "input" / "photos"
    photos.mkdir()
    write_photo(demo_photo(), photos / "one.png")
    (photos / "two.png").write_bytes(b"not a picture")
    folder = node(
        "SilencerProtectFolder",
        folder="photos",
        save_to="protected",
        preset="fast",
        seed=0,
        steps=1,
        generator=["generator", 0],
        voices=["voices", 0],
    )
    prompt = graph(comfy) | {"folder": folder, "report": keep(comfy, "folder", ["folder", 1])}
    for protected, skipped in ((1, 0), (0, 1)):
        result = comfy.run(part(prompt, "report"))
        assert result["status"] == "success", result
        report = json.loads((comfy.base / "kept_folder.pt").read_text())
        assert (report["protected"], report["skipped"]) == (protected, skipped)
        assert "two.png" in report["failures"][0]
    assert (comfy.base / "output" / "protected" / "one.png").is_file()


@pytest.mark.parametrize("name", ["../elsewhere", "/tmp/elsewhere", "."])
def test_results_stay_in_the_output_folder(comfy, name):
    folder = node("SilencerProtectFolder", folder=".", save_to=name, preset="fast", seed=0, steps=1)
    result = comfy.run({"folder": folder})
    assert result["status"] == "error"
    assert "output folder" in result["message"]


def test_unloading_releases_the_generator(comfy, everything):
    assert comfy.run(protect_only(comfy, protect={"seed": 5}))["status"] == "success"
    freed = comfy.ask("free")
    assert freed["was"] > 0
    assert freed["registered"] == 0
    assert comfy.run(protect_only(comfy, protect={"seed": 6}))["status"] == "success"
    assert comfy.ask("free", reset=True)["alive"] == 0


def test_gradients_pass_through_weights_that_the_host_moved(comfy):
    assert comfy.ask("moved") == {"asleep": True, "gradient": True}


def test_stereo_and_batches_of_sound_are_several_recordings(comfy):
    waveform = 0.1 * torch.randn(2, 2, 11_025, generator=torch.Generator().manual_seed(0))
    prompt = graph(comfy)
    prompt["speech"] = node("TestTensor", path=tensor(comfy, "sound", waveform))
    prompt["voices"] = node("SilencerDrivingAudio", audio=["speech", 2], audio_2=["speech", 2])
    prompt["attack"]["inputs"]["audio"] = ["speech", 2]
    prompt["keep voices"] = keep(comfy, "voices", ["voices", 0])
    result = comfy.run(part(prompt, "keep voices", "keep frames", "keep sound"))
    assert result["status"] == "success", result
    assert len(json.loads((comfy.base / "kept_voices.pt").read_text())) == 4
    assert len(kept(comfy, "frames")) == 13
    assert kept(comfy, "sound").shape == (1, 1, 11_025)


def test_a_missing_package_is_said_plainly(comfy):
    said = comfy.ask("without", package="diffusers")
    assert said["nodes"] == ["SilencerMissing"]
    assert "diffusers" in said["message"]
    assert "requirements.txt" in said["message"]
