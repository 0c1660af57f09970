"""A batch on bad days, with the real generator: python benchmarks/batch.py --help

Runs `silencer batch` as anybody would, as a program of its own, and kills it.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import psutil
import typer

from silencer_core.bench_protect import PICTURES
from silencer_core.files import write_text

Portraits = Annotated[Path, typer.Option(help="Folder of photos of faces.")]
Json = Annotated[Path, typer.Option("--json", help="The .json to write the figures to.")]
Count = Annotated[int, typer.Option(min=1, help="Photos to take.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps on each photo.")]

app = typer.Typer(add_completion=False, help=__doc__)


class Batch:
    """`silencer batch` at work, as a program of its own."""

    def __init__(self, photos: Path, output: Path, jobs: int, steps: int) -> None:
        words = ["batch", photos, output, "--preset", "fast", "--steps", steps, "--jobs", jobs]
        program = "from silencer_core.cli import main; main()"
        self.output = output
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def finish(self) -> float:
        """Seconds until it ended by itself; RuntimeError if it failed."""
        began = time.monotonic()
        if self.process.wait():
            raise RuntimeError(f"the batch ended with status {self.process.returncode}")
        return time.monotonic() - began

    def done(self) -> int:
        """Results so far."""
        return sum(1 for _ in self.output.glob("*.png"))

    def kill(self) -> int:
        """kill -9; how many of its processes outlive it by more than 20 seconds."""
        helpers = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        return len(psutil.wait_procs(helpers, timeout=20)[1])


def results(folder: Path) -> dict[str, bytes]:
    """Every picture in a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def made(folder: Path) -> Counter[str]:
    """How often the manifest says that each photo was protected."""
    text = (folder / "manifest.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    return Counter(entry["photo"] for entry in entries if entry["kind"] == "photo")


def pictures(portraits: Path, count: int | None = None) -> list[Path]:
    """The first photos of a folder, or all."""
    return sorted(path for path in portraits.iterdir() if path.suffix.lower() in PICTURES)[:count]


def taken(portraits: Path, count: int, folder: Path) -> Path:
    """A folder with copies of the first photos."""
    folder.mkdir()
    for path in pictures(portraits, count):
        shutil.copy(path, folder)
    return folder


def note(file: Path, name: str, figures: dict) -> None:
    """Put one measurement into the file, and show it."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    print(json.dumps({name: figures}, indent=2))
    write_text(file, json.dumps(kept | {name: figures}, indent=2) + "\n")


@app.command()
def kills(
    portraits: Portraits,
    json_file: Json,
    count: Count = 100,
    times: Annotated[int, typer.Option(min=1, help="How often it is killed.")] = 10,
    steps: Steps = 2,
    seed: int = 0,
) -> None:
    """Kill a batch at random moments and compare its results with an undisturbed one's."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        photos = taken(portraits, count, Path(place) / "in")
        output, whole = Path(place) / "out", Path(place) / "whole"
        complete, rewritten, outlived = {}, 0, 0
        for kill in range(times):
            batch = Batch(photos, output, 2, steps)
            enough = (kill + 0.5) * count / (times + 1)
            while batch.process.poll() is None and batch.done() < enough:
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 4))
            outlived += batch.kill()
            for path in output.glob("*.png"):
                stamp = path.stat().st_ino, path.stat().st_mtime_ns
                rewritten += complete.setdefault(path.name, stamp) != stamp
        Batch(photos, output, 2, steps).finish()
        Batch(photos, whole, 2, steps).finish()
        disturbed, undisturbed = results(output), results(whole)
        for name, stamp in complete.items():
            now = (output / name).stat()
            rewritten += (now.st_ino, now.st_mtime_ns) != stamp
        figures = {
            "photos": count,
            "kills": times,
            "complete at the last kill": len(complete),
            "results": len(disturbed),
            "identical": sum(disturbed.get(name) == one for name, one in undisturbed.items()),
            "made again after completion": rewritten,
            "most often protected": max(made(output).values()),
            "processes left behind": outlived,
        }
    note(json_file, "kills", figures)


@app.command()
def workers(portraits: Portraits, json_file: Json, count: Count = 12, steps: Steps = 40) -> None:
    """The same batch by one worker and by two, by the clock, start included."""
    with tempfile.TemporaryDirectory() as place:
        photos = taken(portraits, count, Path(place) / "in")
        seconds = {
            jobs: round(Batch(photos, Path(place) / f"out{jobs}", jobs, steps).finish(), 1)
            for jobs in (1, 2)
        }
        same = results(Path(place) / "out1") == results(Path(place) / "out2")
    figures = {"photos": count, "one worker, s": seconds[1], "two workers, s": seconds[2]}
    figures |= {"ratio": round(seconds[2] / seconds[1], 3), "same results": same}
    note(json_file, "workers", figures)


@app.command()
def memory(
    portraits: Portraits,
    json_file: Json,
    count: Annotated[int, typer.Option(min=20, help="Photos to protect.")] = 200,
    steps: Steps = 1,
) -> None:
    """Resident memory of one worker after 20 protected photos and after all."""
    from silencer_core.batch.recipe import Recipe
    from silencer_core.batch.worker import Done, Task, Worker
    from silencer_core.presets import preset, with_steps

    worker = Worker(Recipe(with_steps(preset("fast"), steps), None))
    resident, done = {}, 0
    for path in pictures(portraits):
        done += isinstance(worker.protect(Task(path.name, path.read_bytes())), Done)
        if done in (20, count):
            resident[done] = psutil.Process().memory_info().rss / 2**20
        if done == count:
            break
    if done < count:
        raise SystemExit(f"{portraits}: only {done} photos could be protected, {count} are needed.")
    figures = {f"MiB after {done}": round(used, 1) for done, used in resident.items()}
    note(json_file, "memory", figures | {"ratio": round(resident[count] / resident[20], 3)})


if __name__ == "__main__":
    app()
