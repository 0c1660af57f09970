"""Workers in processes: as many as you like, dying when they like."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import batch_toys
import psutil
import pytest
from batch_toys import ToyRecipe, ToyWorker, toy_crew, toy_here, write_photos
from test_batch_run import results

from silencer_core.batch.dispatch import ATTEMPTS, outcomes
from silencer_core.batch.local import LocalCrew
from silencer_core.batch.run import run_batch
from silencer_core.batch.worker import Task
from silencer_core.errors import Cancelled, SilencerError


@pytest.fixture
def run(tmp_path):
    """Runs a batch of toys with so many processes."""
    (tmp_path / "notes").mkdir()

    def once(size, output="out"):
        recipe = ToyRecipe(str(tmp_path / "notes"))
        work = toy_crew(recipe, size) if size else toy_here(recipe)
        return run_batch(tmp_path / "in", tmp_path / output, recipe, work)

    return once


def notes(tmp_path: Path, name: str) -> int:
    """How often workers began with a photo."""
    return len(list((tmp_path / "notes").glob(f"{name}.*")))


def test_two_workers_do_what_one_does(run, tmp_path):
    write_photos(tmp_path / "in", [f"{number}.png" for number in range(12)])
    run(2, "two")
    run(0, "one")
    assert results(tmp_path / "two") == results(tmp_path / "one")
    assert len(results(tmp_path / "two")) == 12


def test_a_worker_that_dies_is_replaced_and_its_photo_done(run, tmp_path):
    write_photos(tmp_path / "in", ["a.png", "once.png", "z.png"])
    summary = run(1)
    assert (summary.protected, summary.failures) == (3, [])
    assert notes(tmp_path, "once.png") == 2


def test_a_photo_that_kills_every_worker_is_listed(run, tmp_path):
    write_photos(tmp_path / "in", ["a.png", "deadly.png", "z.png"])
    summary = run(1)
    assert summary.protected == 2
    assert notes(tmp_path, "deadly.png") == ATTEMPTS
    assert "deadly.png: 3 workers ended over it (ended by signal 9" in summary.failures[0]


def test_a_generator_that_does_not_load_ends_the_batch(tmp_path):
    crew = LocalCrew(ToyRecipe(str(tmp_path), usable=False), 2, ToyWorker)
    with pytest.raises(SilencerError, match="the toys are broken"):
        list(outcomes(crew, [Task("a", b"")]))


def test_workers_that_die_while_loading_end_the_batch(tmp_path):
    crew = LocalCrew(ToyRecipe(str(tmp_path)), 1, _dies)
    with pytest.raises(SilencerError, match="3 workers in a row"):
        list(outcomes(crew, [Task("a", b"")]))


def _dies(recipe, device):
    raise SystemExit(7)


def test_nothing_to_do_starts_nobody(tmp_path):
    crew = LocalCrew(ToyRecipe(str(tmp_path)), 4, _dies)
    assert list(outcomes(crew, [])) == []


def test_cancelling_ends_workers_at_once(tmp_path):
    (tmp_path / "notes").mkdir()
    write_photos(tmp_path, ["a.png"])
    crew = LocalCrew(ToyRecipe(str(tmp_path / "notes"), seconds=600), 1, ToyWorker)
    began = []

    def cancelled():
        if any((tmp_path / "notes").iterdir()):
            began.append(time.monotonic())
        return bool(began)

    with pytest.raises(Cancelled):
        list(outcomes(crew, [Task("a.png", (tmp_path / "a.png").read_bytes())], cancelled))
    assert time.monotonic() - began[0] < 5
    assert not [one for one in psutil.Process().children() if "spawn_main" in str(one.cmdline())]


class Batch:
    """A batch of toys as a program of its own."""

    def __init__(self, tmp_path: Path, seconds: float) -> None:
        program = (  # a background job would start with Ctrl-C switched off
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"sys.path.insert(0, {str(Path(batch_toys.__file__).parent)!r})\n"
            "import batch_toys\n"
            "try: batch_toys.main()\n"
            "except KeyboardInterrupt: sys.exit(130)\n"
        )
        arguments = [tmp_path / "in", tmp_path / "out", 2, seconds]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def wait_until(self, condition) -> bool:
        """False if it ended before."""
        while self.process.poll() is None:
            if condition():
                return True
            time.sleep(0.01)
        return False


def begun(tmp_path: Path) -> int:
    return len(list((tmp_path / "notes").glob("*"))) if (tmp_path / "notes").exists() else 0


def test_ctrl_c_leaves_whole_files_and_no_worker(tmp_path):
    write_photos(tmp_path / "in", [f"{number}.png" for number in range(6)])
    batch = Batch(tmp_path, seconds=0.5)
    assert batch.wait_until(lambda: begun(tmp_path) >= 3)
    workers = batch.workers()
    batch.process.send_signal(signal.SIGINT)
    _, err = batch.process.communicate(timeout=60)
    assert batch.process.returncode == 130
    assert "Traceback" not in err
    psutil.wait_procs(workers, timeout=20)
    assert not [worker for worker in workers if worker.is_running()]
    assert 1 <= len(results(tmp_path / "out")) < 6


def killed_at_random(tmp_path: Path, photos: int, kills: int, seconds: float) -> None:
    """A batch that is killed again and again ends as one that never was."""
    write_photos(tmp_path / "in", [f"{number}.png" for number in range(photos)])
    chance, complete = random.Random(0), {}
    step = photos / (kills + 1)
    for kill in range(kills):
        batch, enough = Batch(tmp_path, seconds), (kill + 0.5) * step
        batch.wait_until(lambda enough=enough: len(list((tmp_path / "out").glob("*.png"))) > enough)
        time.sleep(chance.uniform(0, 2 * seconds))
        workers = batch.workers()
        batch.process.kill()
        batch.process.communicate()
        psutil.wait_procs(workers, timeout=20)
        assert not [worker for worker in workers if worker.is_running()]
        for path in (tmp_path / "out").glob("*.png"):
            known = complete.setdefault(path.name, path.stat())
            assert (known.st_ino, known.st_mtime_ns) == (
                path.stat().st_ino,
                path.stat().st_mtime_ns,
            )
    out, err = Batch(tmp_path, seconds).process.communicate()
    assert out.split()[2:] == ["0"], err
    assert int(out.split()[1]) == len(complete)  # skipped
    for name, known in complete.items():  # none was made twice
        now = (tmp_path / "out" / name).stat()
        assert (known.st_ino, known.st_mtime_ns) == (now.st_ino, now.st_mtime_ns)
    recipe = ToyRecipe(str(tmp_path / "notes"))
    run_batch(tmp_path / "in", tmp_path / "undisturbed", recipe, toy_here(recipe))
    assert len(results(tmp_path / "out")) == photos
    assert results(tmp_path / "out") == results(tmp_path / "undisturbed")


def test_killed_three_times(tmp_path):
    killed_at_random(tmp_path, photos=12, kills=3, seconds=0.05)


@pytest.mark.slow
def test_a_hundred_photos_killed_ten_times(tmp_path):
    killed_at_random(tmp_path, photos=100, kills=10, seconds=0.1)
