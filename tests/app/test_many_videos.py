"""Many videos: every job once, wherever it runs, and none that spoils the others."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.app.batch import engines
from pixelkin.app.batch.jobs import Job, read_jobs, read_shard, share_of
from pixelkin.app.cli import main
from pixelkin.types import InputError
from pixelkin.video.writer import VideoWriter

FEW = ["--short-side", "32", "--threads", "1", "--weights", "lab"]


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four folders of three small frames, a mask for each, and a list of all."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rng = np.random.default_rng(0)
    lines = ["video,labels,out"]
    for k in range(4):
        folder = tmp_path / "in" / f"v{k}"
        folder.mkdir(parents=True)
        image = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
        for t in range(3):
            Image.fromarray(np.roll(image, t, 1)).save(folder / f"{t}.png")
        mask = np.zeros((32, 48), np.uint8)
        mask[8:24, 8:24] = 1
        Image.fromarray(mask).save(tmp_path / "in" / f"v{k}.png")
        lines.append(f"v{k},0=v{k}.png,group/v{k}")
    (tmp_path / "in" / "jobs.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def batch(videos: Path, out: str, *words: str) -> int:
    listed = videos / "in" / "jobs.csv"
    return main(["propagate", "--list", str(listed), "--out", str(videos / out), *FEW, *words])


def results(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("masks/*.png")}


def test_shards_are_the_whole_and_a_longer_list_leaves_what_is_done(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(videos, "whole", "--jobs", "2") == 0
    whole = results(videos / "whole")
    assert len(whole) == 12
    for k in range(3):
        assert batch(videos, "parts", "--shard", f"{k}/3") == 0
    assert results(videos / "parts") == whole
    capsys.readouterr()
    times = {p: p.stat().st_mtime_ns for p in (videos / "whole").rglob("*.png")}
    listed = videos / "in" / "jobs.csv"
    listed.write_text(listed.read_text() + "v0,v0.png,again\n")
    assert batch(videos, "whole") == 0
    assert "5 videos, 4 of them finished already" in capsys.readouterr().out
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())
    assert len(results(videos / "whole")) == 15


def test_one_that_fails_does_not_stop_the_others(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (videos / "in" / "v2" / "1.png").write_bytes(b"broken")
    assert batch(videos, "out") == 1
    with (videos / "out" / "failures.csv").open() as file:
        (failure,) = csv.DictReader(file)
    assert failure["out"] == "group/v2" and failure["code"] == "2" and "1.png" in failure["message"]
    assert "group/v2: " in capsys.readouterr().out
    assert len({name.split("/")[1] for name in results(videos / "out")}) >= 3
    good = (videos / "in" / "v2" / "0.png").read_bytes()
    (videos / "in" / "v2" / "1.png").write_bytes(good)
    code = batch(videos, "out", "--overwrite", "--shard", shard_of(videos, "group/v2"))
    assert code == 0


def shard_of(videos: Path, out: str, count: int = 12) -> str:
    jobs = read_jobs(videos / "in" / "jobs.csv")
    return next(
        f"{k}/{count}" for k in range(count) if out in {j.out for j in share_of(jobs, (k, count))}
    )


def test_labels_that_are_newer_than_results_are_not_passed_over(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--shard", shard_of(videos, "group/v1")]
    assert batch(videos, "out", *words) == 0
    later = (videos / "out" / "group" / "v1" / "run.json").stat().st_mtime + 10
    os.utime(videos / "in" / "v1.png", (later, later))
    assert batch(videos, "out", *words) == 1
    assert "group/v1: " in (told := capsys.readouterr().out) and "--overwrite" in told
    assert batch(videos, "out", *words, "--overwrite") == 0


def test_a_folder_of_videos_with_labels_beside_them(videos: Path) -> None:
    jobs = read_jobs(videos / "in")
    assert [job.out for job in jobs] == [f"v{k}" for k in range(4)]
    assert jobs[3].labels == (str(videos / "in" / "v3.png"),)
    (videos / "in" / "v3.json").write_text("{}")
    with pytest.raises(InputError, match="several labels"):
        read_jobs(videos / "in")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,labels\na,b\n", "no column 'out'"),
        ("video,labels,out,colour\n", "column 'colour' is none of video"),
        ("video,labels,out\na,,c\n", "line 2: labels is empty"),
        ("video,labels,out\na,b,c\nd,e,c\n", "two videos have the folder 'c'"),
        ("video,labels,out\na,b,../c\n", "line 2: out '../c' must lie inside"),
        ("video,labels,out\n", "lists no video"),
    ],
)
def test_mistakes_in_a_list_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_jobs(path)


def test_places_are_relative_to_the_list(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    path = tmp_path / "jobs.csv"
    path.write_text("video,labels,out,weights,protocol\nv.mp4,0=a.png 40=b=c.png x.json,o,w,vip\n")
    (job,) = read_jobs(path)
    at = str(tmp_path)
    assert job == Job(
        f"{at}/v.mp4",
        (f"0={at}/a.png", f"40={at}/b=c.png", f"{at}/x.json"),
        "o",
        f"{at}/w",
        "vip",
    )


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        (None, {}, (0, 1)),
        ("2/5", {"SLURM_ARRAY_TASK_ID": "1"}, (2, 5)),
        (None, {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "1"}, (2, 4)),
        (None, {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "3"}, (2, 3)),
    ],
)  # fmt: skip
def test_shards_of_job_arrays(
    text: str | None, environment: Mapping[str, str], shard: tuple[int, int]
) -> None:
    assert read_shard(text, environment) == shard


def test_shards_that_are_none_are_refused() -> None:
    for text in ("5/5", "1/0", "a/b", "-1/3"):
        with pytest.raises(InputError, match="a shard is i/n"):
            read_shard(text, {})
    with pytest.raises(InputError, match="JOB_COMPLETIONS"):
        read_shard(None, {"JOB_COMPLETION_INDEX": "0"})


def test_every_job_is_in_one_shard_and_stays_there() -> None:
    jobs = [Job("v", ("l",), f"video {k}") for k in range(200)]
    parts = [share_of(jobs, (k, 7)) for k in range(7)]
    assert sorted(j.out for part in parts for j in part) == sorted(j.out for j in jobs)
    assert min(map(len, parts)) > 10
    assert share_of(jobs[:100], (3, 7)) == [j for j in parts[3] if j in jobs[:100]]


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_node_finishes_with_equal_results(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    assert batch(videos, "whole") == 0
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    lost = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    run, killed = engines.on_ray, []

    def lose_one(*arguments: object):
        for ended in run(*arguments):
            if not killed:
                cluster.remove_node(lost, allow_graceful=False)
                killed.append(lost)
            yield ended

    try:
        from pixelkin.app.commands import batch as module

        module.on_ray = lose_one
        assert batch(videos, "cluster", "--engine", "ray") == 0
    finally:
        module.on_ray = run
        ray.shutdown()
        cluster.shutdown()
    assert killed and results(videos / "cluster") == results(videos / "whole")
    assert not json.loads((videos / "cluster/group/v0/run.json").read_text()).get("failed")


@pytest.mark.slow
def test_the_workflow_of_the_documentation_runs(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snakemake = shutil.which("snakemake")
    if snakemake is None:
        pytest.skip("snakemake is not installed")
    page = (Path(__file__).parents[2] / "docs/use/many_videos.md").read_text()
    (block,) = (b for b in page.split("```text\n") if b.startswith("VIDEOS"))
    (videos / "Snakefile").write_text(block.split("```")[0])
    (videos / "clips").mkdir()
    for k in range(2):
        with VideoWriter(videos / f"clips/v{k}.mp4", 8, (32, 48)) as writer:
            for t in range(3):
                writer.write(np.asarray(Image.open(videos / f"in/v{k}/{t}.png")))
        shutil.copy(videos / f"in/v{k}.png", videos / "clips")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    subprocess.run([snakemake, "--cores", "1"], cwd=videos, check=True, capture_output=True)
    assert len(results(videos / "results")) == 6
