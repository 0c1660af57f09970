"""The pack in a running ComfyUI, over HTTP and websocket."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from convert import to_prompt
from PIL import Image
from server import Event, Server
from small import WORKFLOWS, fewer

pytestmark = pytest.mark.comfyui

LATEST = 5.0  # seconds to stop in; one where nobody else uses the processor


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started.wait()
    started.stop()


@pytest.fixture(scope="module")
def schemas(server) -> dict[str, Any]:
    return server.get("/object_info")


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def sources() -> dict[str, Any]:
    """Photo, speech and generator, for prompts that need them."""
    return {
        "photo": node("SilencerExamplePortrait", portrait="astronaut"),
        "speech": node("SilencerExampleSpeech", voice="held_out_00", seconds=0.64),
        "generator": node(
            "SilencerLoadGenerator", generator="built-in mini", path="", dtype="auto", device="auto"
        ),
    }


def protecting(seed: int = 0, steps: int = 1) -> dict[str, Any]:
    return sources() | {
        "protect": node(
            "SilencerProtectPortrait",
            portrait=["photo", 0],
            generator=["generator", 0],
            preset="fast",
            seed=seed,
            steps=steps,
            budget=0.0,
            latent_steps=1,
        ),
        "compare": node("SilencerComparePhotos", before=["photo", 0], after=["protect", 0]),
    }


def test_import_says_nothing(server):
    named = [line for line in server.said().splitlines() if "silencer" in line.lower()]
    assert len(named) == 1, named  # the line with how long the import took
    assert "IMPORT FAILED" not in named[0]


def test_nodes_are_offered_under_their_names(schemas):
    names = {
        kind: schema["display_name"]
        for kind, schema in schemas.items()
        if kind.startswith("Silencer")
    }
    assert names["SilencerProtectPortrait"] == "Protect Portrait"
    assert names["SilencerInvertLatent"] == "Invert Latent"
    assert names["SilencerNullifyAudioLoss"] == "Nullify Audio Loss"
    assert names["SilencerAntiPurify"] == "Anti-Purify"
    assert {schemas[kind]["category"].split("/")[0] for kind in names} == {"Silencer"}


def test_every_node_has_a_help_page(server, schemas):
    for kind in schemas:
        if kind.startswith("Silencer"):
            text = server.get(f"/extensions/silencer/docs/{kind}.md").decode()
            assert text.startswith(f"# {schemas[kind]['display_name']}\n")


def test_templates_are_served_with_thumbnails(server):
    (names,) = [
        names for pack, names in server.get("/api/workflow_templates").items() if pack == "silencer"
    ]
    assert sorted(names) == [path.stem for path in WORKFLOWS]
    for name in names:
        address = f"/api/workflow_templates/silencer/{name}"
        assert server.get(f"{address}.json")["nodes"]
        with Image.open(BytesIO(server.get(f"{address}.jpg"))) as thumbnail:
            assert min(thumbnail.size) >= 200


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_shipped_workflow_runs_to_its_end(server, schemas, path):
    prompt = fewer(to_prompt(json.loads(path.read_text()), schemas))
    run = server.run(prompt, seconds=900)
    assert run.end.kind == "execution_success", run.end
    shown = {str(data["node"]) for data in run.of("executed")}
    wanted = {id for id, one in prompt.items() if schemas[one["class_type"]]["output_node"]}
    assert wanted <= shown


def test_protect_tells_the_page_how_it_goes(server):
    run = server.run(protecting(seed=1, steps=2))
    told = run.of("silencer.protect", "protect")
    assert [one["step"] for one in told][-2:] == [1, 2]
    assert all(one["steps"] == 2 for one in told)
    assert told[-1]["photo"].startswith("data:image/jpeg;base64,")
    assert told[-1]["change"].startswith("data:image/jpeg;base64,")
    numbers = [value for one in told for value in one.values() if isinstance(value, float)]
    assert numbers and all(map(math.isfinite, numbers))
    assert run.of("progress", "protect")[-1]["value"] == 2


def test_protect_leaves_its_result_for_the_page(server):
    run = server.run(protecting(seed=2))
    shown = run.shown("protect")
    assert shown["kind"] == "protect"
    sizes = set()
    for name in ("before", "after", "change"):
        with Image.open(BytesIO(server.view(shown[name]))) as picture:
            sizes.add(picture.size)
    assert sizes == {(512, 512)}
    with Image.open(BytesIO(server.view(run.shown("compare")["after"]))) as picture:
        assert picture.size == (512, 512)


def test_history_keeps_results(server):
    run = server.run(protecting(seed=3))
    until = time.monotonic() + 10  # it is written just after the end is told
    while not (history := server.get(f"/history/{run.id}")) and time.monotonic() < until:
        time.sleep(0.1)
    kept = history[run.id]["outputs"]["protect"]["silencer"][0]
    assert kept == run.shown("protect")


def test_same_inputs_do_not_run_again_but_another_seed_does(server):
    server.run(protecting(seed=4))
    again = server.run(protecting(seed=4))
    assert not again.of("silencer.protect")
    assert again.shown("compare")["kind"] == "photos"  # handed to the page all the same
    other = server.run(protecting(seed=5))
    assert other.of("silencer.protect")


def test_attack_shows_frames_while_it_works(server):
    prompt = sources() | {
        "attack": attack(),
        "videos": node(
            "SilencerCompareVideos",
            before=["attack", 0],
            after=["attack", 0],
            audio=["attack", 1],
            fps=["attack", 2],
        ),
    }
    run = server.run(prompt)
    assert run.of("preview")
    shown = run.shown("videos")
    assert server.view(shown["before"])[4:8] == b"ftyp"
    assert shown["frames"] == [16, 16] and shown["fps"] == 25.0


def attack(steps: int = 1) -> dict[str, Any]:
    return node(
        "SilencerAttack",
        generator=["generator", 0],
        portrait=["photo", 0],
        audio=["speech", 0],
        seed=7,
        steps=steps,
        guidance=1.0,
        visible_mark=True,
    )


LONG = {
    "SilencerProtectPortrait": lambda: protecting(seed=6, steps=500)["protect"],
    "SilencerAttack": lambda: attack(steps=500),
    "SilencerInvertLatent": lambda: node(
        "SilencerInvertLatent",
        generator=["generator", 0],
        portrait=["photo", 0],
        steps=1000,
        depth=900,
    ),
    "SilencerPurifyImage": lambda: node(
        "SilencerPurifyImage",
        image=["photo", 0],
        generator=["generator", 0],
        sequence="gridpure:20,gridpure:20,gridpure:20,gridpure:20",
        seed=0,
    ),
    "SilencerScoreProtection": lambda: node(
        "SilencerScoreProtection",
        generator=["generator", 0],
        before=["photo", 0],
        after=["mirrored", 0],
        audio=["speech", 0],
        purify="none",
        guidance="default",
        seed=7,
        frames=64,
        controls=True,
    ),
}


@pytest.mark.parametrize("kind", LONG)
def test_cancel_stops_a_long_node(server, kind):
    prompt = sources() | {
        "mirrored": node("ImageFlip", image=["photo", 0], flip_method="y-axis: horizontally"),
        "long": LONG[kind](),
        "end": node("PreviewAny", source=["long", 0]),
    }
    asked: list[float] = []

    def cancel(event: Event) -> None:
        begun = event.kind == "progress" and str(event.data.get("node")) == "long"
        if begun and not asked:
            time.sleep(1)  # into its work
            asked.append(time.monotonic())
            server.post("/interrupt", {})

    run = server.run(prompt, each=cancel)
    late = time.monotonic() - asked[0]
    assert run.end.kind == "execution_interrupted", run.end
    assert run.end.data["node_id"] == "long"
    assert late < LATEST


def test_after_a_cancel_it_runs_again(server):
    assert server.run(protecting(seed=7)).end.kind == "execution_success"


def test_error_names_node_input_and_remedy(server):
    prompt = sources() | {
        "purify": node("SilencerPurifyImage", image=["photo", 0], sequence="polish:3", seed=0),
        "end": node("PreviewImage", images=["purify", 0]),
    }
    end = server.run(prompt).end
    assert end.kind == "execution_error"
    assert end.data["node_id"] == "purify"
    assert "polish" in end.data["exception_message"]
    assert "jpeg" in end.data["exception_message"]  # what there is instead


def test_free_forgets_results_and_the_generator_comes_back(server):
    server.run(protecting(seed=8))
    server.post("/free", {"unload_models": True, "free_memory": True})
    deadline = time.monotonic() + 60  # the server frees when its worker comes to it
    while not (run := server.run(protecting(seed=8))).of("silencer.protect"):
        assert time.monotonic() < deadline, "the result was never forgotten"
        time.sleep(0.5)
    assert run.end.kind == "execution_success"


def test_log_holds_no_complaint_of_ours(server):
    lines = server.said().splitlines()
    wrong = [line for line in lines if "silencer" in line.lower() and "Warning" in line]
    assert not wrong


def test_workflow_is_refused_where_a_wire_does_not_fit(server):
    prompt = sources() | {"compare": node("SilencerComparePhotos", before=["speech", 0])}
    with pytest.raises(RuntimeError, match="refused"):
        server.run(prompt)
