"""Protect Folder."""

from __future__ import annotations

import functools
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from silencer_core.errors import SilencerError

from . import protecting
from .host import Bar, work
from .protect import PRESETS
from .types import CATEGORY, Report, generator_input, seed_input, voices_input


class ProtectFolder(io.ComfyNode):
    """Every photo in a folder, one after the other."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerProtectFolder",
            display_name="Protect Folder",
            category=CATEGORY,
            description="Protects every photo in a folder and the folders below it, each with all "
            "of its own size. Stop it at any moment and queue it again: what is done is skipped. "
            "For several machines there is `silencer batch`.",
            inputs=[
                io.String.Input(
                    "folder",
                    default="photos",
                    tooltip="A folder in ComfyUI's input folder, or a full path on the machine "
                    "that ComfyUI runs on.",
                ),
                io.String.Input(
                    "save_to",
                    default="silencer",
                    tooltip="A folder in ComfyUI's output folder. Gets the same folders, PNG "
                    "files, and manifest.jsonl with a report on each.",
                ),
                io.Combo.Input(
                    "preset",
                    options=PRESETS,
                    default="balanced",
                    tooltip="How much may change, and for how long each photo is worked on.",
                ),
                seed_input("Of every photo: its result depends on nothing else in the folder."),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=100_000,
                    tooltip="Steps per photo; 0 takes the preset's.",
                ),
                generator_input(
                    optional=True, tooltip="Whom to protect against; without it, the built-in one."
                ),
                voices_input(),
            ],
            outputs=[
                io.String.Output(
                    "saved_in",
                    display_name="folder",
                    tooltip="Where the protected photos are.",
                ),
                Report.Output(
                    "report", display_name="report", tooltip="How many, and what went wrong."
                ),
            ],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> float:
        """Never the same: the folder may hold other photos now."""
        return float("nan")

    @classmethod
    @work
    def execute(
        cls,
        folder: str,
        save_to: str,
        preset: str,
        seed: int,
        steps: int,
        generator=None,
        voices=None,
    ) -> io.NodeOutput:
        from silencer_core.batch.here import outcomes_here
        from silencer_core.batch.recipe import Recipe
        from silencer_core.batch.run import run_batch
        from silencer_core.batch.worker import Worker

        photos, output = source(folder), target(save_to)
        generator = protecting.chosen_generator(generator)
        heard = {"voices": tuple(voices)} if voices else {}
        path = generator.path and str(generator.path)
        recipe = Recipe(protecting.settings(preset, steps), path, seed=seed, **heard)
        worker, bar = Worker(recipe, generator=generator.ready()), Bar()

        def show(state) -> None:
            bar(state.protected + state.skipped + state.failed, state.total)

        work_here = functools.partial(outcomes_here, worker)
        done = run_batch(photos, output, recipe, lambda tasks, _: work_here(tasks), show)
        told = {"protected": done.protected, "skipped": done.skipped, "failures": done.failures}
        told["protected_before"] = done.twice
        return io.NodeOutput(str(output), told)


def source(folder: str) -> Path:
    """Where the photos are."""
    if not folder.strip():
        raise SilencerError("folder: it is empty; name a folder in ComfyUI's input folder.")
    return Path(folder_paths.get_input_directory()) / Path(folder.strip()).expanduser()


def target(save_to: str) -> Path:
    """Where the results go: below ComfyUI's output folder, wherever the name points."""
    output = Path(folder_paths.get_output_directory()).resolve()
    found = (output / save_to.strip()).resolve()
    if found == output or not found.is_relative_to(output):
        raise SilencerError(
            f"save_to: {save_to!r} is no folder within ComfyUI's output folder; give a name."
        )
    return found
