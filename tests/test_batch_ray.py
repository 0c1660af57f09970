"""A batch on a Ray cluster: one is started here, with workers that die."""

from __future__ import annotations

import os
from pathlib import Path

import batch_toys
import pytest
from batch_toys import ToyRecipe, ToyWorker, toy_here, write_photos
from test_batch_run import results

from silencer_core.batch.dispatch import outcomes
from silencer_core.batch.ray_crew import ray_crew
from silencer_core.batch.run import run_batch
from silencer_core.errors import SilencerError

ray = pytest.importorskip("ray", reason="Ray is not installed (extra: batch)")


@pytest.fixture(scope="module")
def cluster():
    """A local cluster of two cores, whose workers know the toys."""
    with pytest.MonkeyPatch.context() as patch:
        places = [str(Path(batch_toys.__file__).parent), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=80 * 2**20,
        )
        yield
        ray.shutdown()


def test_workers_of_a_cluster_do_what_one_here_does(cluster, tmp_path):
    """Also when one is killed in the middle, and when a photo kills every worker."""
    names = [f"{number}.png" for number in range(8)]
    write_photos(tmp_path / "in", [*names, "once.png", "deadly.png"])
    (tmp_path / "notes").mkdir()
    recipe = ToyRecipe(str(tmp_path / "notes"))
    with ray_crew(recipe, "local", 2, ToyWorker) as crew:
        assert crew.size == 2
        summary = run_batch(
            tmp_path / "in", tmp_path / "out", recipe, lambda tasks, _: outcomes(crew, tasks)
        )
    assert summary.protected == 9
    (failure,) = summary.failures
    assert failure.startswith("deadly.png: 3 workers ended over it")
    assert len(list((tmp_path / "notes").glob("once.png.*"))) == 2
    (tmp_path / "in" / "deadly.png").unlink()
    run_batch(tmp_path / "in", tmp_path / "here", recipe, toy_here(recipe))
    assert results(tmp_path / "out") == results(tmp_path / "here")


def test_a_generator_that_does_not_load_ends_the_batch(cluster, tmp_path):
    recipe = ToyRecipe(str(tmp_path), usable=False)
    with (
        ray_crew(recipe, "local", 1, ToyWorker) as crew,
        pytest.raises(SilencerError, match=r"on .*: the toys are broken"),
    ):
        list(outcomes(crew, [batch_toys.Task("a", b"")]))


class OtherRecipe(ToyRecipe):
    """Has other settings wherever it is asked."""

    def settings(self) -> dict:
        return {"process": os.getpid()}


def test_another_version_on_another_machine_is_refused(cluster, tmp_path):
    with (
        ray_crew(OtherRecipe(str(tmp_path)), "local", 1, ToyWorker) as crew,
        pytest.raises(SilencerError, match="install the same everywhere"),
    ):
        list(outcomes(crew, [batch_toys.Task("a", b"")]))


def test_no_cluster_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def refuses(**_):
        raise ConnectionError("Could not find any running Ray instance.\nMore words.")

    monkeypatch.setattr(ray, "init", refuses)
    with pytest.raises(SilencerError, match=r"nowhere:1: no Ray cluster .*ray start") as refusal:
        ray_crew(ToyRecipe("x"), "nowhere:1").__enter__()
    assert "\n" not in str(refusal.value)
