"""The pack's part of ComfyUI's page, in a headless browser."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from convert import to_prompt
from install import front_end
from page import SET_WIDGETS, SETTINGS, SHARPEN, Graph, browser, chromium
from PIL import Image, ImageStat
from server import Server
from small import FEW, WORKFLOWS, workflow

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(chromium() is None, reason="no Chromium: apt-get install chromium"),
]

NODES_2 = "Comfy.VueNodes.Enabled"
WIDGETS = {
    "SilencerProtectPortrait": ".panel",
    "SilencerComparePhotos": ".slider",
    "SilencerCompareVideos": ".player",
    "SilencerScoreProtection": ".verdict",
}


class Setting(NamedTuple):
    """Which front end, and whether its nodes are drawn by Vue."""

    front_end: str
    nodes_2: bool

    def __str__(self) -> str:
        return f"{self.front_end}-{'nodes2' if self.nodes_2 else 'classic'}"


SETTINGS_TRIED = [Setting("older", False), Setting("newest", False), Setting("newest", True)]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module", params=SETTINGS_TRIED, ids=str)
def graph(request, chrome, tmp_path_factory) -> Iterator[Graph]:
    """A page on which quick_protect has run, with few steps."""
    tried: Setting = request.param
    settings = SETTINGS | {NODES_2: tried.nodes_2}
    base = tmp_path_factory.mktemp(str(tried))
    server = Server(base, front_end(tried.front_end), settings).wait()
    opened = Graph(chrome, server)
    opened.server, opened.tried = server, tried
    opened.open(workflow("quick_protect"))
    opened.do(SET_WIDGETS, FEW)
    opened.do(SHARPEN)
    opened.queue()
    opened.page.wait_for_selector(".silencer .verdict", state="attached", timeout=400_000)
    opened.idle(400)
    opened.fit()
    yield opened
    opened.close()
    server.stop()


SYNC = "() => [...document.querySelectorAll('.silencer video')].map(one => one.currentTime)"


def test_shipped_workflows_open_and_say_the_same_as_our_converter(graph):
    schemas = graph.server.get("/object_info")
    kept = graph.workflow()
    for path in WORKFLOWS:
        saved = workflow(path.stem)
        graph.open(saved)
        sent = graph.prompt()
        assert _essence(sent) == _essence(to_prompt(saved, schemas)), path.stem
        assert not graph.page.get_by_text("Missing Node Types").count()
    graph.open(kept)


def _essence(prompt: dict[str, Any]) -> dict[str, Any]:
    """Kinds and inputs; PreviewAny sends its own display along, or not."""
    kept = {}
    for id, node in prompt.items():
        inputs = {name: value for name, value in node["inputs"].items() if name != "preview"}
        kept[id] = (node["class_type"], inputs)
    return kept


def test_template_browser_offers_the_workflows(graph):
    graph.do("() => window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    graph.page.wait_for_timeout(1500)
    dialog = graph.page.locator("[role='dialog']")
    dialog.get_by_text("silencer", exact=True).first.click()
    card = graph.page.locator("[data-testid='template-workflow-quick_protect']")
    card.wait_for(timeout=20_000)
    card.click()
    graph.page.wait_for_timeout(2000)
    kinds = graph.do("() => window.app.graph.nodes.map(node => node.type)")
    assert "SilencerProtectPortrait" in kinds


@pytest.mark.parametrize("kind", WIDGETS)
def test_widget_shows_its_result(graph, kind):
    widget = graph.page.locator(f".silencer{WIDGETS[kind]}, .silencer {WIDGETS[kind]}").first
    assert widget.is_visible()


def test_widgets_lie_within_their_nodes(graph):
    """In canvas and in Vue nodes alike, none is cut off or of no height."""
    boxes = [one.bounding_box() for one in graph.page.locator(".silencer").all()]
    assert len(boxes) == 4
    assert all(box["width"] > 40 and box["height"] > 40 for box in boxes)


def test_slider_moves_by_keyboard_and_mouse(graph):
    edge = graph.page.locator(".silencer .slider input").last
    edge.focus()
    before = float(edge.input_value())
    for _ in range(3):
        graph.page.keyboard.press("ArrowRight")
    assert float(edge.input_value()) == before + 3
    graph.page.keyboard.press("Home")
    assert edge.input_value() == "0"
    box = edge.bounding_box()
    graph.page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert 65 <= float(edge.input_value()) <= 85


def test_keys_of_the_slider_do_not_move_the_graph(graph):
    graph.page.locator(".silencer .slider input").last.focus()
    offset = "() => [...window.app.canvas.ds.offset]"
    before = graph.do(offset)
    graph.page.keyboard.press("ArrowLeft")
    assert graph.do(offset) == before


def test_space_plays_both_videos_in_step(graph):
    player = graph.page.locator(".silencer .player").first
    player.focus()
    graph.page.keyboard.press("Home")
    graph.page.wait_for_timeout(300)
    graph.page.keyboard.press("Space")
    graph.page.wait_for_function(
        "() => document.querySelector('.silencer video').currentTime > 0.1", timeout=20_000
    )
    graph.page.wait_for_function(
        f"() => {{ const [one, other] = ({SYNC})(); return Math.abs(one - other) <= 0.08; }}",
        timeout=5_000,
    )
    graph.page.wait_for_function(
        "() => document.querySelector('.silencer video').ended", timeout=20_000
    )
    durations = graph.do(
        "() => [...document.querySelectorAll('.silencer video')].map(one => one.duration)"
    )
    assert durations[0] == durations[1] > 0.5


def test_arrows_step_both_videos_frame_by_frame(graph):
    graph.page.locator(".silencer .player").first.focus()
    graph.page.keyboard.press("Home")
    for _ in range(5):
        graph.page.keyboard.press("ArrowRight")
    graph.page.wait_for_timeout(300)
    assert graph.do(SYNC) == pytest.approx([0.2, 0.2], abs=1e-3)


def test_first_video_sounds_and_second_is_silent(graph):
    script = "() => [...document.querySelectorAll('.silencer video')].map(one => one.muted)"
    assert graph.do(script) == [False, True]


def test_controls_have_names(graph):
    controls = ".silencer :is(button, input, img, video, svg[role])"
    script = """controls => [...document.querySelectorAll(controls)]
        .filter(one => !(one.getAttribute('aria-label') || one.alt || one.textContent.trim()))
        .map(one => one.outerHTML)"""
    assert graph.do(script, controls) == []


def test_page_is_not_blank(graph):
    with Image.open(BytesIO(graph.page.locator(".silencer.panel").screenshot())) as picture:
        assert max(ImageStat.Stat(picture.convert("RGB")).stddev) > 10


def test_help_page_opens(graph):
    if graph.tried.front_end == "older":
        pytest.skip("its help button has no name to find it by")
    node = "window.app.graph.nodes.find(node => node.type === 'SilencerProtectPortrait')"
    graph.do(f"() => {{ window.app.canvas.deselectAll(); window.app.canvas.select({node}); }}")
    button = graph.page.locator("[data-testid='info-button']")
    button.first.click(timeout=10_000)
    graph.page.get_by_text("Save it as PNG").first.wait_for(timeout=10_000)
    graph.page.keyboard.press("Escape")


def test_results_are_there_again_after_a_reload(graph):
    graph.reload()
    graph.page.wait_for_selector(".silencer .verdict", state="attached", timeout=30_000)
    for selector in (".slider img", ".player video", ".verdict", ".panel dd"):
        assert graph.page.locator(f".silencer {selector}, .silencer{selector}").count(), selector


def test_results_are_found_in_the_history_too(graph):
    """A workflow that was saved before it ran knows nothing; the server does."""
    saved = graph.workflow()
    for node in saved["nodes"]:
        node["properties"].pop("silencer", None)
    graph.open(saved)
    graph.page.wait_for_selector(".silencer .verdict", state="attached", timeout=30_000)


def test_results_are_no_inputs(graph):
    prompt = graph.prompt()
    named = {name for node in prompt.values() for name in node["inputs"]}
    assert not named & {"protection", "compare", "scores"}


def test_light_theme_keeps_text_readable(graph):
    graph.do(
        "async () => await window.app.extensionManager.setting.set('Comfy.ColorPalette', 'light')"
    )
    graph.page.wait_for_timeout(1000)
    paint = """() => { const style = getComputedStyle(document.querySelector('.silencer'));
        return [style.color, style.backgroundColor]; }"""
    ink, paper = (_brightness(colour) for colour in graph.do(paint))
    graph.do(
        "async () => await window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')"
    )
    assert paper - ink > 100


def _brightness(colour: str) -> float:
    numbers = colour[colour.index("(") + 1 : -1].replace(",", " ").replace("/", " ").split()
    return sum(float(number) for number in numbers[:3]) / 3


def test_console_says_nothing_against_us(graph):
    assert graph.ours() == []
